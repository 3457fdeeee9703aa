"""Trust checks of the data and the folds, once a task: leaks, twins, shift, and folds that are apart. None looks at a solution."""

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from . import metrics
from .checks import Check, check
from .column_numbers import to_numbers
from .column_strength import SAMPLE_ROWS, measure_column
from .errors import shown
from .folds import Folds, random_of
from .task import Task

Array = NDArray[np.float64]

SHIFT_AUC = 0.8
MORE_TWINS = 0.1
_MIN_ROWS = 50
_TREES = 60
_NAMES_FROM = 0.95


def check_data(task: Task, folds: Folds) -> list[Check]:
    """Every check of data and folds. Deterministic; samples of at most SAMPLE_ROWS rows, so about a second whatever the size."""
    checks = [*_check_apart(task, folds), _check_single_columns(task)]
    if task.shape == "rows":
        checks.append(_check_twins(task, folds))
    checks.append(_check_shift(task))
    return checks


def _check_apart(task: Task, folds: Folds) -> list[Check]:
    """No group and no moment on both sides of a fold."""
    sides = [(folds.training_rows(fold, task.times), folds.validation_rows(fold)) for fold in range(folds.count)]
    if task.shape == "groups" and task.groups is not None:
        shared = sum(len(np.intersect1d(task.groups[train], task.groups[answered])) for train, answered in sides)
        return [check("groups apart", shared == 0, "suspect", f"{shared} groups lie on both sides of a fold")]
    if task.is_timed and task.times is not None:
        late = sum(bool(np.nanmax(task.times[train]) >= np.nanmin(task.times[answered])) for train, answered in sides)
        return [check("time in order", late == 0, "suspect", f"{late} folds learn from moments that they also answer, or later ones")]
    return []


def _check_single_columns(task: Task) -> Check:
    """A column that tells a target alone is a leak, or the task is easy: a person must say which."""
    if task.gives_answers:
        return check("no single-column leak", True, "note", "answers that are texts are not held against columns")
    rows = random_of(task, "single columns").permutation(task.n_train)[:SAMPLE_ROWS]
    if len(rows) < _MIN_ROWS:
        return check("no single-column leak", True, "note", f"{len(rows)} rows are too few to tell")
    strongest, what = 0.0, "no column tells anything"
    found: list[str] = []
    for name in task.features.column_names:
        values = _numbers(task, name, rows)
        for target, truth in zip(task.layout.targets, task.truth, strict=True):
            labels = truth[rows] if target.survival is None else truth[rows][:, 0]
            strength, limit = measure_column(values, labels, 0 if target.classes is None else len(target.classes))
            text = f'"{shown(name)}" alone tells "{shown(target.name)}" ({"AUC" if target.classes else "R²"} {strength:.3f})'
            if strength >= limit:
                found.append(text)
            if strength / limit > strongest:
                strongest, what = strength / limit, text
    detail = f"{'; '.join(found[:3])}: a leak, or an easy task" if found else f"the strongest: {what}"
    return check("no single-column leak", not found, "unverified", detail)


def _check_twins(task: Task, folds: Folds) -> Check:
    """Validation rows that a training row repeats are answered from memory; where the test has fewer of them, the score is too good."""
    import pandas as pd

    names = task.profile["feature_columns"]
    if len(names) < 2:
        return check("no more twins than in the test", True, "note", "one feature column: rows alike are no twins")
    codes = np.column_stack([np.nan_to_num(_numbers(task, name, None), nan=-1.5) for name in names])
    hashed = pd.util.hash_pandas_object(pd.DataFrame(codes), index=False).to_numpy()
    train, test = hashed[: task.n_train], hashed[task.n_train :]
    repeated = 0
    answered = 0
    for fold in range(folds.count):
        rows = folds.validation_rows(fold)
        repeated += int(np.isin(train[rows], train[folds.training_rows(fold, task.times)]).sum())
        answered += len(rows)
    in_folds, in_test = repeated / max(answered, 1), float(np.isin(test, train).mean()) if len(test) else 0.0
    detail = f"{in_folds:.0%} of the scored rows repeat a training row, {in_test:.0%} of the test rows do"
    return check("no more twins than in the test", in_folds - in_test <= MORE_TWINS, "unverified", detail)


def _check_shift(task: Task) -> Check:
    """Adversarial validation: whether a model can tell test rows from training rows (AUC, out of fold)."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    name = "test rows like training rows"
    rng = random_of(task, "shift")
    half = SAMPLE_ROWS // 2
    train = rng.permutation(task.n_train)[:half]
    test = task.n_train + rng.permutation(task.n_test)[:half]
    if min(len(train), len(test)) < _MIN_ROWS:
        return check(name, True, "note", f"{min(len(train), len(test))} rows are too few to tell")
    rows = np.concatenate([train, test])
    names = [c for c in task.profile["feature_columns"] if c != task.profile["time_column"] and not _names_rows(task, c)]
    if not names:
        return check(name, True, "note", "no column to tell them by")
    table = np.column_stack([np.nan_to_num(_numbers(task, c, rows), nan=-1e9, posinf=1e30, neginf=-1e30) for c in names]).astype(np.float32)
    is_test = np.concatenate([np.zeros(len(train), dtype=np.int64), np.ones(len(test), dtype=np.int64)])
    model = ExtraTreesClassifier(_TREES, min_samples_leaf=5, random_state=0, n_jobs=1)
    told = cross_val_predict(model, table, is_test, cv=StratifiedKFold(3, shuffle=True, random_state=0), method="predict_proba")[:, 1]
    auc = metrics.FUNCTIONS["auc"](is_test, told)
    most = names[int(np.argmax(model.fit(table, is_test).feature_importances_))]
    detail = f"a model tells them apart with AUC {auc:.3f}" + (f', most by "{shown(most)}"' if auc > SHIFT_AUC else "")
    # Later rows differ from earlier ones: that is what folds by time are for.
    return check(name, auc <= SHIFT_AUC, "note" if task.is_timed else "unverified", detail)


def _names_rows(task: Task, name: str) -> bool:
    """Whether words hardly ever repeat: they name rows (a file, a code), and no model can learn of one what holds for another."""
    if task.profile["column_types"][name] != "categorical":
        return False
    values = task.features.column(name).drop_null()
    return pc.count_distinct(values).as_py() > _NAMES_FROM * len(values)


def _numbers(task: Task, name: str, rows: NDArray[np.int64] | None) -> Array:
    values = task.features.column(name)
    # Words are coded over all rows, so that a code means the same everywhere.
    numbers = to_numbers(values, task.profile["column_types"][name])
    return numbers if rows is None else numbers[rows]
