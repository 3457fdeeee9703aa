"""Labels of the training table, as codes of classes or as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .answers import ANSWER_TYPES, AnswerPool, merge_masks
from .column_types import parse_numbers
from .errors import BadInput, shown

if TYPE_CHECKING:
    from .competition import Competition
    from .tables import TextTable


def read_labels(competition: Competition, targets: list[dict[str, Any]], pool: AnswerPool) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
    """One array a target (codes of classes, numbers, pairs of time and event, or codes in the pool) over the rows that have every label, and which rows these are. Raises BadInput."""
    train = competition.files.train
    raw: list[NDArray[Any]] = []
    present = np.ones(train.rows, dtype=bool)
    for target in targets:
        if target["type"] == "survival":
            values = _read_survival(train, target)
            present &= ~np.isnan(values).any(axis=1)
            raw.append(values)
            continue
        column = train.column(target["name"])
        if target["type"] in ANSWER_TYPES:
            # An empty list, set or mask is an answer; no text is none.
            present &= ~column.is_null().to_numpy() if target["type"] == "text" else True
            read = merge_masks if competition.has_instances and target["type"] == "mask" else str.strip
            raw.append(pool.encode([read(text or "") for text in column.to_pylist()]))
            continue
        if target["classes"] is None:
            numbers = parse_numbers(column, train.format.decimal)
            if numbers is None:
                raise BadInput(f'{shown(train.name)}: the target "{shown(target["name"])}" is not a number in every row.')
            values = pc.cast(numbers, pa.float64()).to_numpy(zero_copy_only=False)
            present &= ~np.isnan(values)
        else:
            codes = pc.index_in(column, value_set=pa.array(target["classes"]))
            unknown = np.flatnonzero((codes.is_null().to_numpy()) & ~(column.is_null().to_numpy()))
            if len(unknown):
                row = int(unknown[0])
                raise BadInput(
                    f'{shown(train.name)}: row {row + 1} has the label "{shown(column[row].as_py())}", which is no class of "{shown(target["name"])}".'
                )
            filled = pc.fill_null(codes, -1).to_numpy(zero_copy_only=False)
            present &= filled >= 0
            values = filled.astype(np.int64)
        raw.append(values)
    rows = np.flatnonzero(present)
    return [v[rows] for v in raw], rows


def _read_survival(train: TextTable, target: dict[str, Any]) -> NDArray[np.float64]:
    """(rows, 2): time, and 1 where an event ended it; NaN where missing."""
    columns: list[NDArray[np.float64]] = []
    for name in (target["survival"]["duration_column"], target["survival"]["event_column"]):
        numbers = parse_numbers(train.column(name), train.format.decimal)
        if numbers is None:
            raise BadInput(f'{shown(train.name)}: the column "{shown(name)}" must hold numbers to say how long, and whether an event came.')
        columns.append(pc.cast(numbers, pa.float64()).to_numpy(zero_copy_only=False))
    bad = np.flatnonzero((columns[1] != 0) & (columns[1] != 1) & ~np.isnan(columns[1]))
    if len(bad):
        raise BadInput(
            f'{shown(train.name)}: row {bad[0] + 1}: the event column "{shown(target["survival"]["event_column"])}" must hold 0 or 1.'
        )
    return np.column_stack(columns)
