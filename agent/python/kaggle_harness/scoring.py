"""The task's metric on some of its labelled rows, with what the metric wants of them."""

import numpy as np
from numpy.typing import NDArray

from .layout import measure
from .task import Task

Array = NDArray[np.float64]


def score_rows(
    task: Task, rows: NDArray[np.int64], scores: Array, labels: list[NDArray[np.int64]] | None = None, metric_id: str | None = None
) -> float:
    """`scores` and `labels` are of `rows`, in their order; `metric_id`: another metric than the task's. Raises metrics.Undefined."""
    truth = [t[rows] for t in task.truth]
    return measure(metric_id or task.metric_id, task.layout, truth, scores, labels, task.extras.at(rows))


def units_of(task: Task, rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The rows in the parts that are drawn together when scores are resampled: whole groups, else single rows."""
    units = np.arange(len(rows)) if task.groups is None else np.unique(task.groups[rows], return_inverse=True)[1]
    return np.split(rows[np.argsort(units, kind="stable")], np.cumsum(np.bincount(units))[:-1])
