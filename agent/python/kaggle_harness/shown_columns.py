"""Shows the rows that a fold answers as the real test shows its own: what is hidden there is hidden here."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .folds import Folds
from .given_columns import count_steps, hide_steps
from .task import Task

Codes = NDArray[np.int64]


def show_as_test(task: Task, folds: Folds, fold: int | None, rows: Codes, table: pa.Table) -> pa.Table:
    """`table`: the rows' visible columns. Only blocks of time change; the test's own rows are as they are."""
    given = [g for g in task.profile.get("given_columns", []) if g["how"] in ("missing", "last-known", "first-of-block")]
    if fold is None or task.times is None or not given:
        return table
    block = folds.validation_rows(fold)
    steps = count_steps(task.times[rows], task.times[block])
    last_step = int(count_steps(task.times[task.n_train :]).max(initial=0))
    for one in given:
        if one["name"] not in task.features.column_names:
            continue
        place = table.column_names.index(one["name"])
        if one["how"] == "missing":
            values = hide_steps(table.column(place), one["steps"], np.minimum(steps, last_step))
        else:
            values = task.features.column(one["name"]).take(_find_sources(task, folds, fold, rows, one["how"]))
        table = table.set_column(place, one["name"], values)
    return table


def _find_sources(task: Task, folds: Folds, fold: int, rows: Codes, how: str) -> pa.Array:
    """The row whose value stands for each row's own: the last one before the block, or the first one in it, of the same series."""
    assert task.times is not None
    series = np.zeros(task.n_train + task.n_test, dtype=np.int64) if task.series is None else task.series
    if how == "last-known":
        source = folds.training_rows(fold, task.times)
        source = source[np.argsort(task.times[source], kind="stable")]
    else:
        source = folds.validation_rows(fold)
        source = source[np.argsort(-task.times[source], kind="stable")]
    found = np.full(int(series.max(initial=0)) + 1, -1, dtype=np.int64)
    found[series[source]] = source  # the last assignment wins
    places = found[series[rows]]
    return pc.if_else(pa.array(places >= 0), pa.array(places), pa.scalar(None, pa.int64()))
