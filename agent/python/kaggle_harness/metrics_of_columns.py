"""Metrics of several targets at once; `truth` and `score`: (n, targets)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .metrics_of_forecasts import haversine

Table = NDArray[Any]


def f1_samples(truth: Table, predicted: Table) -> float:
    """Mean over rows of the F1 of the labels set; a row without any on both sides is 0, as in scikit-learn."""
    common = np.sum((truth == 1) & (predicted == 1), axis=1)
    total = np.sum(truth == 1, axis=1) + np.sum(predicted == 1, axis=1)
    return float(np.mean(np.where(total > 0, 2 * common / np.maximum(total, 1), 0.0)))


def jaccard_samples(truth: Table, predicted: Table) -> float:
    """Mean over rows of common over all labels set; a row without any on both sides is 0, as in scikit-learn."""
    common = np.sum((truth == 1) & (predicted == 1), axis=1)
    either = np.sum((truth == 1) | (predicted == 1), axis=1)
    return float(np.mean(np.where(either > 0, common / np.maximum(either, 1), 0.0)))


def haversine_of_columns(truth: Table, score: Table) -> float:
    """Mean distance in kilometres; the first column is the latitude, the second the longitude, in degrees."""
    return haversine(truth[:, 0], truth[:, 1], score[:, 0], score[:, 1])
