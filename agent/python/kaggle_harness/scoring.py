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
