"""Columns of a table beside train and test that tell the target through its key (solution contract, section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .column_numbers import to_numbers
from .column_strength import SAMPLE_ROWS, measure_column
from .column_types import TypedColumn

Array = NDArray[np.float64]

_EQUAL = 0.95
_MIN_ROWS = 50


@dataclass(frozen=True)
class Labels:
    """One array a target over all training rows; `classes` None = numbers; `texts`: the labels as written."""

    names: list[str]
    classes: list[list[str] | None]
    values: list[NDArray[Any]]
    texts: list[pa.ChunkedArray]


@dataclass(frozen=True)
class Leak:
    """`column` None = the number of the table's rows a key."""

    column: str | None
    detail: str


def find_leaks(
    columns: dict[str, TypedColumn], matches: NDArray[np.int64], is_unique: bool, codes: NDArray[np.int64] | None, labels: Labels
) -> list[Leak]:
    """Columns that equal a target in 95 of 100 joined rows, or tell it with AUC ≥ .98 or R² ≥ .97.

    `matches`: (training rows,) a row of the table, -1 = none, or no label. `codes`: (table rows,) the key's code, for tables of many rows a key.
    """
    rows = np.flatnonzero(matches >= 0)
    if len(rows) < _MIN_ROWS:
        return []
    rows = np.random.default_rng(0).permutation(rows)[:SAMPLE_ROWS]
    found: list[Leak] = []
    for name, column in columns.items():
        leak = _judge_column(name, column, matches[rows], None if is_unique else codes, rows, labels)
        if leak is not None:
            found.append(leak)
    if not is_unique and codes is not None:
        counts = np.bincount(codes)[codes[matches[rows]]].astype(np.float64)
        told = _told(counts, rows, labels)
        if told is not None:
            found.append(Leak(None, f"its number of rows a key tells {told}"))
    return found


def _judge_column(
    name: str, column: TypedColumn, at: NDArray[np.int64], codes: NDArray[np.int64] | None, rows: NDArray[np.int64], labels: Labels
) -> Leak | None:
    for target, texts in zip(labels.names, labels.texts, strict=True):
        if _is_same(column.values.take(pa.array(at)), texts.take(pa.array(rows))):
            return Leak(name, f'"{name}" equals "{target}"')
    numbers = to_numbers(column.values, column.kind)
    for values in _summaries(numbers, codes, at):
        told = _told(values, rows, labels)
        if told is not None:
            return Leak(name, f'"{name}" tells {told}')
    return None


def _summaries(numbers: Array, codes: NDArray[np.int64] | None, at: NDArray[np.int64]) -> list[Array]:
    """The value of the joined row; of many rows a key their first, mean, least and largest."""
    if codes is None:
        return [numbers[at]]
    count, present = int(codes.max()) + 1, ~np.isnan(numbers)
    sizes = np.bincount(codes[present], minlength=count)
    sums = np.bincount(codes[present], numbers[present], count)
    means = np.where(sizes > 0, sums / np.maximum(sizes, 1), np.nan)
    least, largest = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(least, codes[present], numbers[present])
    np.maximum.at(largest, codes[present], numbers[present])
    least, largest = (np.where(sizes > 0, side, np.nan) for side in (least, largest))
    return [numbers[at], *(side[codes[at]] for side in (means, least, largest))]


def _told(values: Array, rows: NDArray[np.int64], labels: Labels) -> str | None:
    if np.isnan(values).all():
        return None
    for target, classes, truth in zip(labels.names, labels.classes, labels.values, strict=True):
        strength, limit = measure_column(values, truth[rows], 0 if classes is None else len(classes))
        if strength >= limit:
            return f'"{target}" ({"R²" if classes is None else "AUC"} {strength:.3f})'
    return None


def _is_same(values: pa.ChunkedArray, labels: pa.ChunkedArray) -> bool:
    """Equal in 95 of 100 rows, and more often than the most frequent label would be."""
    left, right = _as_text(values), _as_text(labels)
    equal = (pc.sum(pc.equal(left, right)).as_py() or 0) / max(1, len(right))
    most = max(pc.value_counts(right).field("counts").to_pylist(), default=0) / max(1, len(right))
    return equal >= _EQUAL and equal > most + 0.5 * (1 - most)


def _as_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_string(values.type):
        try:
            return pc.cast(pc.cast(values, pa.float64()), pa.string())
        except pa.ArrowInvalid:
            return values
    return pc.cast(pc.cast(values, pa.float64()), pa.string())
