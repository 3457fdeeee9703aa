"""How much one column tells of a target: what the checks for leaks ask of features and of tables beside them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import metrics
from .column_numbers import bin_numbers

Array = NDArray[np.float64]

SAMPLE_ROWS = 5_000
LEAK_AUC = 0.98
LEAK_R2 = 0.97
_BINS = 64
_CLASSES = 20


def measure_column(values: Array, truth: NDArray[Any], classes: int) -> tuple[float, float]:
    """How well one column predicts, learned on the first half of the rows and measured on the rest, and the limit for it.

    Numbers: R². Classes: AUC, the mean over one class against all others where there are more than two.
    """
    half = len(values) // 2
    bins = bin_numbers(values, values[:half], _BINS)
    if classes == 0:
        return _explained(truth[half:].astype(np.float64), _bin_means(bins, half, truth[:half].astype(np.float64))), LEAK_R2
    aucs = [_best_auc(values[half:], bins, half, truth == code) for code in (range(min(classes, _CLASSES)) if classes > 2 else (1,))]
    known = [auc for auc in aucs if auc is not None]
    return (float(np.mean(known)) if known else 0.0), LEAK_AUC


def _best_auc(values: Array, bins: NDArray[np.int64], half: int, is_class: NDArray[np.bool_]) -> float | None:
    """By the mean of each bin, or by the column's own order, whichever tells more; None when a side lacks the class."""
    truth = is_class[half:].astype(np.int64)
    order = np.nan_to_num(values, nan=float(np.nanmin(values)) - 1 if not np.isnan(values).all() else 0.0)
    try:
        by_bin = metrics.FUNCTIONS["auc"](truth, _bin_means(bins, half, is_class[:half].astype(np.float64)))
        by_order = metrics.FUNCTIONS["auc"](truth, order)
    except metrics.Undefined:
        return None
    return max(by_bin, by_order, 1 - by_order)


def _bin_means(bins: NDArray[np.int64], half: int, learned: Array) -> Array:
    """The mean of the first half's values in each later row's bin; their whole mean where the bin was empty."""
    count = int(bins.max()) + 1
    sums, sizes = np.bincount(bins[:half], learned, count), np.bincount(bins[:half], minlength=count)
    means = np.where(sizes > 0, sums / np.maximum(sizes, 1), learned.mean())
    return means[bins[half:]]


def _explained(truth: Array, predicted: Array) -> float:
    spread = float(np.sum((truth - truth.mean()) ** 2))
    return 0.0 if spread == 0 else max(0.0, 1 - float(np.sum((truth - predicted) ** 2)) / spread)
