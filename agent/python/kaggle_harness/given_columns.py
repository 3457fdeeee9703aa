"""Columns of later rows that the real test has filled otherwise than the training rows: lags, running totals, and what is not known yet.

A fold shows them as the test does (solution contract, section 2). The step of a row = how many moments of its block come before its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .column_numbers import to_numbers
from .errors import shown

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

_EMPTY = 0.95
_FILLED = 0.5
_EQUAL = 0.95
_LONGEST_LAG = 60
_LAG_ROWS = 20_000
_LAG_COLUMNS = 200


@dataclass(frozen=True)
class Series:
    """Typed feature columns with kinds, of training rows (`split`) then test rows; the time and the series of each row."""

    columns: dict[str, tuple[str, pa.ChunkedArray]]
    times: Array
    series: Codes
    split: int


def count_steps(times: Array, block: Array | None = None) -> Codes:
    """The step of each row of a block; a row without time has step 0. `block`: the times of the whole block, where these are of a part."""
    whole = times if block is None else block
    moments = np.unique(whole[~np.isnan(whole)])
    return np.where(np.isnan(times), 0, np.searchsorted(moments, times)).astype(np.int64)


def describe_given(data: Series, targets: dict[str, Array], allow_leaks: bool) -> list[dict[str, Any]]:
    """GivenColumn of each column that needs care. `targets`: number targets over the training rows, NaN where unlabelled."""
    steps = count_steps(data.times[data.split :])
    described: list[dict[str, Any]] = []
    for place, (name, (kind, values)) in enumerate(data.columns.items()):
        found = _find_missing(values, steps, data.split) or _find_frozen(data, kind, values, steps)
        relation = _find_relation(data, kind, values, targets) if place < _LAG_COLUMNS else None
        if found is None and relation is None:
            continue
        how, hidden, reason = found or ("kept", [], "the test set has it filled in the same way")
        if relation is not None:
            reason = f"it is {relation[1]}; {reason}"
            if how == "kept" and relation[0] and not allow_leaks:
                how = "dropped"
                reason = f"{reason}, so it tells the answers: it is withheld"
        described.append({"name": name, "how": how, "steps": hidden, "reason": f'"{shown(name)}": {reason}'[:300]})
    return described


def _find_missing(values: pa.ChunkedArray, steps: Codes, split: int) -> tuple[str, list[int], str] | None:
    """Steps of the test that lack the column, while training rows have it."""
    is_null = values.is_null().to_numpy()
    if is_null[:split].mean() > 1 - _FILLED:
        return None
    counts = np.bincount(steps)
    empty = np.bincount(steps, is_null[split:]) / np.maximum(counts, 1) >= _EMPTY
    hidden = np.flatnonzero(empty & (counts > 0))
    if len(hidden) == 0:
        return None
    if len(hidden) == np.sum(counts > 0):
        return "dropped", [], "no test row has it"
    return "missing", hidden.tolist(), f"test rows lack it from step {int(hidden[0]) + 1} of {len(counts)} on, so folds hide it there too"


def _find_frozen(data: Series, kind: str, values: pa.ChunkedArray, steps: Codes) -> tuple[str, list[int], str] | None:
    """A column that moves within a series in training, but stands still in the test."""
    if kind not in ("numeric", "categorical", "boolean") or steps.max(initial=0) < 2:
        return None
    numbers = to_numbers(values, kind)
    length = int(steps.max()) + 1
    moments = np.unique(data.times[: data.split][~np.isnan(data.times[: data.split])])
    late = np.flatnonzero(data.times[: data.split] >= moments[-min(length, len(moments))])
    in_train = _still_series(numbers[late], data.series[late])
    tests = np.arange(data.split, len(numbers))
    in_test = _still_series(numbers[tests], data.series[tests])
    if in_test < _EMPTY or in_train > 1 - _FILLED:
        return None
    last = last_values(numbers[: data.split], data.times[: data.split], data.series[: data.split])
    known = np.array([last.get(s, np.nan) for s in data.series[tests].tolist()])
    is_last = float(np.mean(known == numbers[tests])) > 0.9
    how = "last-known" if is_last else "first-of-block"
    return how, [], "it stands still in the test but moves in training, so folds hold it still too"


def _still_series(numbers: Array, series: Codes) -> float:
    """The share of series of three values or more that keep one value."""
    codes = np.unique(series, return_inverse=True)[1]
    present = ~np.isnan(numbers)
    sizes = np.bincount(codes[present], minlength=int(codes.max(initial=0)) + 1)
    low, high = np.full(len(sizes), np.inf), np.full(len(sizes), -np.inf)
    np.minimum.at(low, codes[present], numbers[present])
    np.maximum.at(high, codes[present], numbers[present])
    counted = sizes >= 3
    return float(np.mean(low[counted] == high[counted])) if counted.any() else 0.0


def last_values(values: Array, times: Array, series: Codes) -> dict[int, float]:
    """The latest known value of each series."""
    known = np.flatnonzero(~np.isnan(values) & ~np.isnan(times))
    order = known[np.argsort(times[known], kind="stable")]
    return dict(zip(series[order].tolist(), values[order].tolist(), strict=True))


def _find_relation(data: Series, kind: str, values: pa.ChunkedArray, targets: dict[str, Array]) -> tuple[bool, str] | None:
    """Whether it tells a row's own answer, and what it is: an earlier value of a target, or its running total."""
    if kind != "numeric":
        return None
    numbers = to_numbers(values, kind)[: data.split]
    order = np.lexsort((data.times[: data.split], data.series[: data.split]))[:_LAG_ROWS]
    series, column = data.series[order], numbers[order]
    for name, labels in targets.items():
        y = labels[order]
        if len(np.unique(y[~np.isnan(y)])) < 3:
            continue
        moved = _difference(column, series)
        if _agree(moved, y):
            return True, f'a running total of "{shown(name)}" with the row\'s own value in it'
        if _agree(moved, _shift(y, series, 1)):
            return False, f'a running total of "{shown(name)}"'
        for lag in range(1, _LONGEST_LAG + 1):
            if _agree(column, _shift(y, series, lag)):
                return False, f'"{shown(name)}" of {lag} rows before'
    return None


def _shift(values: Array, series: Codes, lag: int) -> Array:
    shifted = np.full(len(values), np.nan)
    if lag < len(values):
        same = series[lag:] == series[:-lag]
        shifted[lag:][same] = values[:-lag][same]
    return shifted


def _difference(values: Array, series: Codes) -> Array:
    return values - _shift(values, series, 1)


def _agree(left: Array, right: Array) -> bool:
    both = ~np.isnan(left) & ~np.isnan(right)
    if both.sum() < max(20, 0.2 * len(left)):
        return False
    near = np.abs(left[both] - right[both]) <= 1e-6 * np.maximum(1.0, np.abs(right[both]))
    if np.mean(near) < _EQUAL:
        return False
    most = np.unique(right[both], return_counts=True)[1].max() / both.sum()
    return bool(np.mean(near) > most + 0.5 * (1 - most))


def hide_steps(values: pa.ChunkedArray, hidden: list[int], steps: Codes) -> pa.ChunkedArray:
    """A column with nothing in the rows of the hidden steps."""
    return pc.if_else(pa.array(np.isin(steps, hidden)), pa.scalar(None, values.type), values)
