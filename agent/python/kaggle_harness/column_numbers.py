"""Columns as numbers, for checks that only ask whether a column tells something."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .column_types import time_numbers

Array = NDArray[np.float64]


def to_numbers(values: pa.ChunkedArray, kind: str) -> Array:
    """(rows,) float64, NaN where missing: numbers and times as they are, words as codes in the order of the alphabet, texts as their lengths."""
    if kind == "datetime":
        found = time_numbers(values, kind)
        assert found is not None
        return found
    if kind == "text":
        return pc.cast(pc.utf8_length(values), pa.float64()).to_numpy(zero_copy_only=False)
    if pa.types.is_string(values.type):
        return _code_words(values)
    return pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False)


def _code_words(values: pa.ChunkedArray) -> Array:
    """The order of the alphabet tells nothing of the order of rows: by first appearance, values that never repeat would be row numbers."""
    coded = pc.dictionary_encode(values).combine_chunks()
    ranks = pc.rank(coded.dictionary, tiebreaker="first").to_numpy(zero_copy_only=False)
    indices = pc.cast(coded.indices, pa.float64()).to_numpy(zero_copy_only=False)
    present = ~np.isnan(indices)
    codes = np.full(len(indices), np.nan)
    codes[present] = ranks[indices[present].astype(np.int64)] - 1.0
    return codes


def bin_numbers(values: Array, known: Array, bins: int) -> NDArray[np.int64]:
    """Bins 0 … bins by the quantiles of `known`; few distinct values keep a bin each; missing values share the last."""
    present = known[~np.isnan(known)]
    distinct = np.unique(present)
    edges = (distinct[1:] + distinct[:-1]) / 2 if len(distinct) <= bins else np.unique(np.quantile(present, np.linspace(0, 1, bins)[1:-1]))
    codes = np.searchsorted(edges, values, side="right")
    return np.where(np.isnan(values), len(edges) + 1, codes)
