"""Writes what one run may see: TRAIN_DIR with labels, PREDICT_DIR without. Same task, same folds: same bytes."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .folds import Folds, random_of
from .layout import TargetLayout
from .limits import CSV_COPY_BYTES
from .metric_table import METRICS
from .shared_files import FIXED_TIMES, SharedFiles, can_share, copy_shared, plan_parts, share_names
from .shown_columns import show_as_test
from .shown_media import name_files, show_names, write_files
from .shown_tables import describe_shown, draw_numbers, renumber, write_tables
from .task import Task

KEY = "key"
WEIGHT = "row_weight"


@dataclass(frozen=True)
class Run:
    """One run: `rows[j]` = the row of the task's features behind the j-th row of PREDICT, `keys[j]` = its key."""

    run_id: str
    fold: int | None
    folder: Path
    predict_kind: str
    rows: NDArray[np.int64]
    keys: NDArray[np.int64]
    train_rows: int

    def reply(self) -> dict[str, Any]:
        """RunFolders of the protocol."""
        return {
            "run_id": self.run_id,
            "fold": self.fold,
            "train_dir": str(self.folder / "train"),
            "predict_dir": str(self.folder / "predict"),
            "predict_kind": self.predict_kind,
            "train_rows": self.train_rows,
            "predict_rows": len(self.rows),
        }


@dataclass(frozen=True)
class Level1:
    """Columns that a stack gets beside the features: other solutions' scores of the plan's rows, (rows, columns) each."""

    columns: list[dict[str, Any]]
    train: NDArray[np.float64]
    predict: NDArray[np.float64]

    def of(self, scores: NDArray[np.float64]) -> dict[str, pa.Array]:
        """Columns of a table, by name."""
        return {column["name"]: pa.array(scores[:, i]) for i, column in enumerate(self.columns)}


@dataclass(frozen=True)
class RunPlan:
    """What a run is to hold. `labels`: one array a target over `train`; `change`: what is done to the table of PREDICT before it is written;
    `level1`: of a stack."""

    run_id: str
    fold: int | None
    train: NDArray[np.int64]
    predict: NDArray[np.int64]
    predict_kind: str
    labels: list[NDArray[Any]]
    change: Callable[[pa.Table, np.random.Generator], pa.Table] | None = None
    level1: Level1 | None = None


def write_run(task: Task, folds: Folds, fold: int | None, shared: SharedFiles | None = None) -> Run:
    """Writes the folders of one fold (None = the final run over all labelled rows) and returns who is who in them. `shared`: what it has in
    common with the other runs."""
    run_id = "final" if fold is None else f"fold-{fold}"
    tests = np.arange(task.n_train, task.n_train + task.n_test)
    if fold is None:
        train, kind, predict = np.arange(task.n_train), "test", tests
    elif task.predicts_test_in_folds:
        train, kind = folds.training_rows(fold, task.times), "validation+test"
        predict = np.concatenate([folds.validation_rows(fold), tests])
    else:
        train, kind, predict = folds.training_rows(fold, task.times), "validation", folds.validation_rows(fold)
    return write_plan(task, folds, RunPlan(run_id, fold, train, predict, kind, [truth[train] for truth in task.truth]), shared)


def write_plan(task: Task, folds: Folds, plan: RunPlan, shared: SharedFiles | None = None) -> Run:
    """Writes a run's folders. Their name says nothing to the program, which sees it."""
    rng = random_of(task, "run", folds.count, plan.run_id)
    order = rng.permutation(len(plan.predict))
    predict = plan.predict[order]
    if shared is None:
        keys = rng.permutation(len(plan.train) + len(predict)).astype(np.int64) + 1
    else:
        keys = np.concatenate([shared.keys[plan.train], task.n_train + 1 + rng.permutation(len(predict)).astype(np.int64)])
    folder = task.work_dir / "runs" / hashlib.sha256(task.salt + plan.run_id.encode()).hexdigest()[:16]
    run = Run(plan.run_id, plan.fold, folder, plan.predict_kind, predict, keys[len(plan.train) :], len(plan.train))
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "train").mkdir(parents=True)
    (partial / "predict").mkdir()
    numbers = draw_numbers(task, rng) if shared is None else shared.numbers
    level1 = plan.level1
    given = ({}, {}) if level1 is None else (level1.of(level1.train), level1.of(level1.predict[order]))
    places = {partial / "train": plan.train, partial / "predict": predict}
    names = name_files(task, list(places.values()), rng) if shared is None else shared.names
    for place, own in places.items():
        write_files(task, own, names, place, None if shared is None else shared.files)
    if shared is None:
        labelled = given[0] | _label_columns(task, plan.labels, plan.train)
        shown = Shown(numbers, show_names(task, plan.train, names))
        _write_table(partial / "train", "train", _visible(task, plan.train, keys[: len(plan.train)], shown, labelled))
    else:
        shared.link_rows(plan.train, partial / "train" / "train.parquet")
    rows = _visible(task, predict, run.keys, Shown(numbers, show_names(task, predict, names)), given[1])
    rows = show_as_test(task, folds, plan.fold, predict, rows)
    _write_table(partial / "predict", "rows", rows if plan.change is None else plan.change(rows, rng))
    _write_sample(partial / "predict" / "sample.csv", task, run.keys)
    write_tables(task, folds, plan.fold, places, numbers)
    described = json.dumps(_describe(task, folds, [] if level1 is None else level1.columns), indent=1, ensure_ascii=False, sort_keys=True)
    (partial / "train" / "task.json").write_text(described + "\n", encoding="utf-8")
    for place in (*sorted(partial.rglob("*")), partial):
        os.utime(place, FIXED_TIMES)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return run


def share_files(task: Task, folds: Folds) -> SharedFiles | None:
    """Writes what the runs of folds and the final run have in common, where data are large enough to be kept once; None elsewhere."""
    if not task.is_large:
        return None
    folder = task.work_dir / "harness" / "shared"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    if not can_share(folder):
        return None
    shared = share_names(task, folds)
    copy_shared(shared, folder / "files")
    for number, rows in enumerate(plan_parts(task, folds)):
        path = folder / f"{number}.parquet"
        labels = _label_columns(task, [truth[rows] for truth in task.truth], rows)
        table = _visible(task, rows, shared.keys[rows], Shown(shared.numbers, show_names(task, rows, shared.names)), labels)
        pq.write_table(table.combine_chunks(), path, compression="snappy")
        os.utime(path, FIXED_TIMES)
        shared.parts.append((path, rows))
    return shared


@dataclass(frozen=True)
class Shown:
    """What some columns show in one folder instead of their own values: the run's numbers of codes, the names of files."""

    numbers: dict[str, NDArray[np.int64]]
    files: dict[str, pa.Array]


def _visible(task: Task, rows: NDArray[np.int64], keys: NDArray[np.int64], shown: Shown, added: dict[str, pa.Array]) -> pa.Table:
    index = pa.array(rows)
    columns: dict[str, pa.ChunkedArray | pa.Array] = {KEY: pa.array(keys)}
    for name in task.features.column_names:
        if name in shown.files:
            values = shown.files[name]
        elif name in shown.numbers:
            values = renumber(task.renumbered[name][rows], shown.numbers[name])
        else:
            values = task.features.column(name).take(index)
        columns[name if name != KEY else "key_"] = values
    columns.update(added)
    return pa.table(columns)


def _label_columns(task: Task, labels: list[NDArray[Any]], rows: NDArray[np.int64]) -> dict[str, pa.Array]:
    """Labels and weights of some labelled rows; `labels`: one array a target."""
    made: dict[str, pa.Array] = {}
    for target, values in zip(task.layout.targets, labels, strict=True):
        if target.survival is not None:
            made[target.survival.time] = pa.array(values[:, 0])
            made[target.survival.event] = pa.array(values[:, 1].astype(np.int64))
            continue
        if target.is_answer:
            assert task.extras.answers is not None
            made[target.name] = pa.array([task.extras.answers.texts[code] for code in values.tolist()], type=pa.string())
            continue
        made[target.name] = pa.array(values) if target.classes is None else pa.array(target.classes).take(pa.array(values))
    if task.extras.weights is not None:
        made[WEIGHT] = pa.array(task.extras.weights[rows])
    return made


def _write_table(folder: Path, name: str, table: pa.Table) -> None:
    table = table.combine_chunks()
    pq.write_table(table, folder / f"{name}.parquet", compression="snappy")
    if table.nbytes <= CSV_COPY_BYTES:
        pa_csv.write_csv(table, folder / f"{name}.csv", pa_csv.WriteOptions(quoting_style="needed"))


def _write_sample(path: Path, task: Task, keys: NDArray[np.int64]) -> None:
    columns: dict[str, pa.Array] = {KEY: pa.array(keys)}
    for target in task.layout.targets:
        width = target.stop - target.start
        value = 0.0 if target.classes is None else 0.5 if width == 1 else 1 / width
        for i in range(target.start, target.stop):
            columns[task.layout.columns[i]] = pa.array([""] * len(keys) if target.is_answer else np.full(len(keys), value))
    pa_csv.write_csv(pa.table(columns), path, pa_csv.WriteOptions(quoting_style="needed"))


def _describe_target(target: TargetLayout) -> dict[str, Any]:
    described: dict[str, Any] = {"name": target.name, "type": target.type, "classes": target.classes}
    if target.quantiles is not None:
        described["quantiles"] = target.quantiles
    if target.survival is not None:
        survival = target.survival
        described |= {"event_column": survival.event, "duration_column": survival.time, "score_means": survival.means}
    return described


def _describe(task: Task, folds: Folds, level1: list[dict[str, Any]]) -> dict[str, Any]:
    """task.json: equal for every run of a solution, so that a program cannot tell which fold it is in."""
    profile = task.profile
    metric = METRICS[task.metric_id]
    given = [n if n != KEY else "key_" for n in task.features.column_names]
    scores = [column["name"] for column in level1]
    return {
        "schema_version": 1,
        "kind": "stack" if level1 else "rows",
        "shape": task.shape,
        "key_column": KEY,
        "targets": [_describe_target(t) for t in task.layout.targets],
        "metric": {"id": metric.id, "direction": metric.direction, "needs": metric.needs},
        "prediction": "answer" if task.gives_answers else "value" if all(t.classes is None for t in task.layout.targets) else "probability",
        "score_columns": task.layout.describe(),
        "id_columns": [n for n in task.id_columns if n in given],
        "group_column": profile["group_column"],
        "time_column": profile["time_column"],
        "weight_column": None if task.extras.weights is None else WEIGHT,
        "query_column": profile.get("query_column"),
        "horizon": folds.horizon,
        "gap": folds.gap,
        "feature_columns": [n if n != KEY else "key_" for n in profile["feature_columns"]] + scores,
        "column_types": {(n if n != KEY else "key_"): profile["column_types"][n] for n in task.features.column_names}
        | dict.fromkeys(scores, "numeric"),
        "stack_columns": level1,
        "media_columns": list(task.media),
        "recommender": profile.get("recommender"),
        "files": {"train": "train", "rows": "rows", "sample": "sample.csv"},
        "entity_columns": profile.get("entity_columns", []),
        "given_columns": [{"name": g["name"], "how": g["how"]} for g in profile.get("given_columns", []) if g["how"] != "dropped"],
        "tables": [describe_shown(table) for table in task.tables],
        "quantiles": next((t.quantiles for t in task.layout.targets if t.quantiles is not None), None),
        "k": task.extras.k,
        "transductive": not profile.get("one_row_at_a_time", False),
        "effort": "normal",
    }
