"""Stacks (solution contract, section 4): programs that learn from other solutions' out-of-fold scores beside the features.

A stack's own out-of-fold scores see a little of the scored labels: models that trained on them made its training columns. So it is judged by a
check that sees none: for two folds, every member and the stack are trained again without any row of that fold.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import metrics
from .evaluate import Decoded, Measured, decode, evaluate, resample, score_decoded
from .folds import Folds, make_inner_folds, random_of
from .metric_table import METRICS
from .run_folders import Level1, RunPlan
from .scoring import units_of
from .solutions import Solution
from .task import Task

Array = NDArray[np.float64]

OUTER_FOLDS = (0, 1)
"""The folds that are rebuilt from scratch. Folds are numbered by chance, so these are as good as any."""
_RESAMPLES = 200


@dataclass
class Rebuilt:
    """One member without the rows of one outer fold: `oof` of the rows that are left, sums over the inner folds of the others' scores."""

    oof: Array
    held: Array
    test: Array
    done: set[int] = field(default_factory=set)


def can_stack(task: Task) -> bool:
    """Where folds answer the test rows too, with numbers: elsewhere there is nothing that a stack could be given for them."""
    return task.predicts_test_in_folds and not task.gives_answers


def outer_folds(folds: Folds) -> Folds:
    """The folds that stacks are judged on, as folds of their own."""
    return Folds(len(OUTER_FOLDS), np.where(folds.vector < len(OUTER_FOLDS), folds.vector, -1))


def plan_stack(task: Task, folds: Folds, solution: int, members: list[Solution], fold: int) -> RunPlan:
    """One fold of a stack: members' out-of-fold scores for labelled rows, the mean of their folds for test rows."""
    train, held = folds.training_rows(fold, task.times), folds.validation_rows(fold)
    tests = [member.fold_mean() for member in members]
    columns = _columns(task, [member.number for member in members])
    predict = [np.hstack([m.oof[held] for m in members]), np.hstack([test for test in tests if test is not None])]
    level1 = Level1(columns, np.hstack([m.oof[train] for m in members]), np.vstack(predict))
    return _plan(task, f"stack-{solution}-{fold}", fold, train, held, level1)


def plan_rebuild(task: Task, folds: Folds, outer: int, inner: int) -> RunPlan:
    """One inner fold without the rows of an outer one, which are answered besides."""
    cut = make_inner_folds(task, folds, outer)
    train = np.flatnonzero((cut.vector >= 0) & (cut.vector != inner))
    return _plan(task, f"rebuild-{outer}-{inner}", outer, train, np.concatenate([cut.validation_rows(inner), folds.validation_rows(outer)]))


def empty_rebuilt(task: Task) -> Rebuilt:
    """A member of which nothing is rebuilt yet."""
    columns = len(task.layout.columns)
    return Rebuilt(np.full((task.n_train, columns), np.nan), np.zeros((task.n_train, columns)), np.zeros((task.n_test, columns)))


def keep_rebuilt(task: Task, folds: Folds, rebuilt: Rebuilt, outer: int, inner: int, rows: NDArray[np.int64], scores: Array) -> None:
    """Adds one inner fold's scores; `rows` as in the run that gave them."""
    is_held = (rows < task.n_train) & np.isin(rows, folds.validation_rows(outer))
    is_test = rows >= task.n_train
    own = ~is_held & ~is_test
    rebuilt.oof[rows[own]] = scores[own]
    rebuilt.held[rows[is_held]] += scores[is_held]
    rebuilt.test[rows[is_test] - task.n_train] += scores[is_test]
    rebuilt.done.add(inner)


def plan_rebuilt_stack(task: Task, folds: Folds, solution: int, members: list[tuple[int, Rebuilt]], outer: int) -> RunPlan:
    """A stack over rebuilt members, which answers the outer fold."""
    train, held = folds.training_rows(outer, task.times), folds.validation_rows(outer)
    count = make_inner_folds(task, folds, outer).count
    predict = [np.hstack([r.held[held] for _, r in members]) / count, np.hstack([r.test for _, r in members]) / count]
    level1 = Level1(_columns(task, [n for n, _ in members]), np.hstack([r.oof[train] for _, r in members]), np.vstack(predict))
    return _plan(task, f"rebuilt-stack-{solution}-{outer}", outer, train, held, level1)


def _plan(task: Task, run_id: str, fold: int, train: NDArray[np.int64], held: NDArray[np.int64], level1: Level1 | None = None) -> RunPlan:
    tests = np.arange(task.n_train, task.n_train + task.n_test)
    labels = [truth[train] for truth in task.truth]
    return RunPlan(run_id, fold, train, np.concatenate([held, tests]), "validation+test", labels, None, level1)


def _columns(task: Task, members: list[int]) -> list[dict[str, Any]]:
    prefix = "level1"
    while any(name.startswith(prefix) for name in task.features.column_names):
        prefix = f"_{prefix}"
    described = task.layout.describe()
    return [
        {"name": f"{prefix}_{member}_{i}", "solution": member, "target": column["target"], "class": column["class"]}
        for member in members
        for i, column in enumerate(described)
    ]


def as_rebuilt(folds: Folds, solution: Solution) -> Solution:
    """The solution as the outer folds know it, to be compared there: a stack by its rebuilt scores."""
    validated = (outer_folds(folds).vector >= 0)[:, None]
    return replace(solution, oof=np.where(validated, solution.oof, np.nan) if solution.rebuilt is None else solution.rebuilt)


def measure_rebuilt(task: Task, folds: Folds, stack: Solution) -> Measured:
    """The stack's score on the outer folds. Two folds say little about their spread: its interval is that of resampled rows."""
    assert stack.rebuilt is not None
    outer = outer_folds(folds)
    measured = evaluate(task, outer, stack.rebuilt, stack.is_raw)
    decoded = decode(task, outer, stack.rebuilt, stack.is_raw)
    low, high, error = resample(task, lambda rows: score_decoded(task, decoded, rows), np.flatnonzero(outer.vector >= 0))
    return Measured(
        measured.score,
        min(low, measured.score),
        max(high, measured.score),
        error,
        measured.fold_scores,
        measured.aggregate,
        measured.decoder,
    )


@dataclass(frozen=True)
class Duel:
    """A stack and another solution on the same rows: whether the stack is better beyond the noise of these rows, and in words."""

    wins: bool
    detail: str


def judge(task: Task, folds: Folds, stack: Solution, other: Solution) -> Duel:
    """Compares on the outer folds."""
    outer = outer_folds(folds)
    wins, mine, theirs, noise = _compare(task, outer, *(decode(task, outer, as_rebuilt(folds, s).oof, s.is_raw) for s in (stack, other)))
    detail = f"rebuilt without the rows of two folds it scores {mine:.5g} there, solution {other.number} {theirs:.5g}"
    return Duel(wins, f"{detail}; chance alone makes {noise:.2g}")


def judge_refit(task: Task, folds: Folds, solution: Solution, rebuilt: dict[int, Rebuilt]) -> Duel:
    """Whether one model of all rows beats the mean of models that each lack some: on rows of outer folds, which neither saw (contract, section 3)."""
    outer = outer_folds(folds)
    mean = np.full_like(solution.oof, np.nan)
    for fold, member in rebuilt.items():
        rows = folds.validation_rows(fold)
        mean[rows] = member.held[rows] / len(member.done)
    one = as_rebuilt(folds, solution).oof
    wins, mine, theirs, noise = _compare(task, outer, *(decode(task, outer, oof, solution.is_raw) for oof in (one, mean)))
    detail = f"without the rows of two folds one model of all rows scores {mine:.5g} there, the mean of the folds' models {theirs:.5g}"
    return Duel(wins, f"{detail}; chance alone makes {noise:.2g}")


def _compare(task: Task, outer: Folds, mine: Decoded, theirs: Decoded) -> tuple[bool, float, float, float]:
    """Whether the first is better beyond noise, both scores, and the noise: that of their difference over resampled rows."""
    rows = np.flatnonzero(outer.vector >= 0)
    sign = 1.0 if METRICS[task.metric_id].direction == "maximize" else -1.0
    scores = score_decoded(task, mine, rows), score_decoded(task, theirs, rows)
    noise = _paired_error(task, rows, mine, theirs)
    return bool(sign * (scores[0] - scores[1]) > noise), *scores, noise


def _paired_error(task: Task, rows: NDArray[np.int64], mine: Decoded, theirs: Decoded) -> float:
    rng = random_of(task, "duel")
    by_unit = units_of(task, rows)
    found: list[float] = []
    for _ in range(_RESAMPLES):
        drawn = np.concatenate([by_unit[unit] for unit in rng.integers(0, len(by_unit), len(by_unit))])
        try:
            found.append(score_decoded(task, mine, drawn) - score_decoded(task, theirs, drawn))
        except metrics.Undefined:
            continue
    return float(np.std(found, ddof=1)) if len(found) > 1 else float("inf")
