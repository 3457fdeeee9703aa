"""How alike two solutions answer: what a blend, or a program made of both, can gain."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def correlate(left: Array, right: Array) -> float | None:
    """Mean over score columns of the correlation of two tables of out-of-fold scores, (rows, columns) each; None where no column moves in both.

    Rows without a score (NaN) in either are left out.
    """
    both = ~(np.isnan(left).any(axis=1) | np.isnan(right).any(axis=1))
    if both.sum() < 3:
        return None
    found = [_pearson(left[both, i], right[both, i]) for i in range(left.shape[1])]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None


def _pearson(left: Array, right: Array) -> float | None:
    a, b = left - left.mean(), right - right.mean()
    size = float(np.sqrt(np.sum(a**2) * np.sum(b**2)))
    return None if size < 1e-300 else float(np.clip(np.sum(a * b) / size, -1.0, 1.0))
