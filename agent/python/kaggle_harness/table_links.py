"""How a table beside train and test is joined to their rows: by which columns, one row a key or many, and how many rows find one."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .column_types import EXACT_BELOW, parse_numbers
from .submission_format import is_id_name

if TYPE_CHECKING:
    from .competition import Competition
    from .tables import TextTable

_LEAST_OVERLAP = 0.5
_LEAST_COVERED = 0.2
_MOST_SHARED = 0.02
_MOST_KEYS = 3
_MOST_LINKING = 8
_MARK = "\x1f"


@dataclass(frozen=True)
class Link:
    """`key` empty = nothing joins the table. `entity`: the key column whose values test rows do not share with training rows.

    `in_train`, `in_test`: the share of rows that find a row of the table.
    """

    key: list[str]
    is_unique: bool
    entity: str | None
    in_train: float
    in_test: float


NO_LINK = Link([], False, None, 0.0, 0.0)


def key_texts(columns: list[pa.ChunkedArray], decimal: str) -> list[pa.ChunkedArray]:
    """Columns of different tables as texts that are equal where their values are: 7 and 7.0 are the same where all are numbers."""
    numbers = [parse_numbers(c, decimal) for c in columns]
    # Numbers of more digits than a float has are names.
    if any(n is None or (pc.max(pc.abs(n)).as_py() or 0) >= EXACT_BELOW for n in numbers):
        return [pc.utf8_trim_whitespace(c) for c in columns]
    return [pc.cast(pc.cast(n, pa.float64()), pa.string()) for n in numbers if n is not None]


def find_link(competition: Competition, table: TextTable, usable: list[str], time: str | None) -> Link:
    """The columns that join a table to the rows: one that names its rows, else several that do together, else the finest one.

    `time`: the column that orders rows in time; its values are no entities.
    """
    linking = [c for c in table.columns if c in usable and _may_be_key(competition, c) and _overlaps(competition, table, c)]
    if not linking:
        return NO_LINK
    columns = {c: joined_texts(competition, table, c) for c in linking}
    distinct = {c: pc.count_distinct(columns[c][2]).as_py() for c in linking}
    order = sorted(linking, key=lambda c: (not is_id_name(c), -distinct[c]))[:_MOST_LINKING]
    for size in range(1, min(_MOST_KEYS, len(order)) + 1):
        for key in itertools.combinations(order, size):
            if _names_rows([columns[c][2] for c in key]):
                return _measure(list(key), columns, True, time)
    finest = max(linking, key=lambda c: distinct[c])
    return _measure([finest], columns, False, time)


def joined_texts(competition: Competition, table: TextTable, column: str) -> list[pa.ChunkedArray]:
    """One key column of train, test and the table."""
    train, test = competition.files.train, competition.files.test
    decimal = "," if "," in (train.format.decimal, test.format.decimal, table.format.decimal) else "."
    return key_texts([train.column(column), test.column(column), table.column(column)], decimal)


def join_texts(columns: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    """One text a row from the columns of a key; null where one of them is."""
    return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, _MARK)


def match_rows(competition: Competition, table: TextTable, key: list[str]) -> NDArray[np.int64]:
    """The first row of the table with the key of each row (train, then test); -1 where there is none."""
    columns = [joined_texts(competition, table, c) for c in key]
    train, test, beside = (join_texts([c[i] for c in columns]) for i in range(3))
    rows = pa.chunked_array([*train.chunks, *test.chunks], type=pa.string())
    found = pc.index_in(rows, value_set=beside.combine_chunks(), skip_nulls=True)
    return pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def _may_be_key(competition: Competition, column: str) -> bool:
    typed = competition.typed(column)
    return typed.kind in ("categorical", "datetime") or (typed.kind == "numeric" and pa.types.is_integer(typed.values.type))


def _overlaps(competition: Competition, table: TextTable, column: str) -> bool:
    train, test, beside = joined_texts(competition, table, column)
    names = pc.unique(beside.drop_null())
    for side in (train, test):
        wanted = pc.unique(side.drop_null())
        if len(wanted) and (pc.sum(pc.is_in(wanted, value_set=names)).as_py() or 0) >= _LEAST_OVERLAP * len(wanted):
            return True
    return False


def _names_rows(columns: list[pa.ChunkedArray]) -> bool:
    joined = join_texts(columns)
    return joined.null_count < 0.01 * len(joined) and pc.count_distinct(joined).as_py() == len(joined) - joined.null_count


def _measure(key: list[str], columns: dict[str, list[pa.ChunkedArray]], is_unique: bool, time: str | None) -> Link:
    train, test, beside = (join_texts([columns[c][i] for c in key]) for i in range(3))
    names = pc.unique(beside.drop_null())
    in_train, in_test = (_share(pc.is_in(side, value_set=names, skip_nulls=True)) for side in (train, test))
    if max(in_train, in_test) < _LEAST_COVERED:
        return NO_LINK
    entity = next((c for c in key if c != time and _is_entity(columns[c][0], columns[c][1])), None)
    return Link(key, is_unique, entity, in_train, in_test)


def _share(found: pa.ChunkedArray) -> float:
    return (pc.sum(found).as_py() or 0) / max(1, len(found))


def _is_entity(train: pa.ChunkedArray, test: pa.ChunkedArray) -> bool:
    """Whether test rows name others than training rows do."""
    names, known = pc.unique(test.drop_null()), pc.unique(train.drop_null())
    shared = pc.sum(pc.is_in(names, value_set=known)).as_py() or 0
    return len(names) >= 2 and shared <= _MOST_SHARED * len(names)
