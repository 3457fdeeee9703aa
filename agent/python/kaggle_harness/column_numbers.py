"""Columns as numbers, for checks that only ask whether a column tells something."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .column_types import time_numbers

Array = NDArray[np.float64]


def to_numbers(values: pa.ChunkedArray, kind: str) -> Array:
    """(rows,) float64, NaN where missing: numbers and times as they are, words as arbitrary codes, texts as their lengths."""
    if kind == "datetime":
        found = time_numbers(values, kind)
        assert found is not None
        return found
    if kind == "text":
        return pc.cast(pc.utf8_length(values), pa.float64()).to_numpy(zero_copy_only=False)
    if pa.types.is_string(values.type):
        codes = pc.dictionary_encode(values).combine_chunks().indices
        return pc.cast(codes, pa.float64()).to_numpy(zero_copy_only=False)
    return pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False)


def bin_numbers(values: Array, known: Array, bins: int) -> NDArray[np.int64]:
    """Bins 0 … bins by the quantiles of `known`; few distinct values keep a bin each; missing values share the last."""
    present = known[~np.isnan(known)]
    distinct = np.unique(present)
    edges = (distinct[1:] + distinct[:-1]) / 2 if len(distinct) <= bins else np.unique(np.quantile(present, np.linspace(0, 1, bins)[1:-1]))
    codes = np.searchsorted(edges, values, side="right")
    return np.where(np.isnan(values), len(edges) + 1, codes)
