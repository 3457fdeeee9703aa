"""Groups and time: whether rows of one entity, or rows later than others, must be kept on one side of a fold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .column_types import parse_numbers, time_numbers
from .metrics import average_ranks
from .submission_format import is_id_name

if TYPE_CHECKING:
    from .competition import Competition

_ENTITY = re.compile(
    r"(^|_|\s)(subject|patient|user|customer|client|group|session|household|family|author|speaker|site|product|store|machine|engine|device|unit)(_?id|_?no|_?number)?$",
    re.IGNORECASE,
)
# Entities in each table, and rows of each, from which no value in common cannot be chance.
_LEAST_ENTITIES = 8
_LEAST_REPEATS = 5
TIME_NAME = re.compile(
    r"(^|_|\s)(date|time|datetime|timestamp|year|month|week|day|period|quarter|date_block_num|hour|ts)(_?(num|id|no|index))?$",
    re.IGNORECASE,
)


def names_entity(column: str) -> bool:
    """Whether a column's name says that it holds ids, or entities such as patients or stores."""
    return is_id_name(column) or _ENTITY.search(column) is not None


def find_group_column(competition: Competition, columns: list[str], id_columns: list[str]) -> str | None:
    """A column that names an entity with several rows, where the test set has other entities than the training set.

    A column whose name says nothing of the kind is one if its values are so many times repeated that only whole entities can have been held out.
    """
    train, test = competition.files.train, competition.files.test
    best: tuple[bool, int, str] | None = None
    for column in columns:
        if competition.typed(column).kind not in ("numeric", "categorical"):
            continue
        is_named = column in id_columns or names_entity(column)
        if not (is_named or _holds_out_values(competition, column)):
            continue
        in_train, in_test = pc.unique(train.column(column).drop_null()), pc.unique(test.column(column).drop_null())
        if len(in_train) < 10 or len(in_train) > 0.8 * train.rows or len(in_test) < 2:
            continue
        shared = pc.sum(pc.is_in(in_test, value_set=in_train)).as_py() or 0
        if shared <= 0.02 * len(in_test) and (best is None or (is_named, len(in_train)) > best[:2]):
            best = (is_named, len(in_train), column)
    return best[2] if best else None


def _holds_out_values(competition: Competition, column: str) -> bool:
    """Whether no value of the test rows is among the training rows', though each is repeated in both; numbers must be whole and lie among each other."""
    split = competition.files.train.rows
    typed = competition.typed(column)
    train, test = competition.files.train.column(column).drop_null(), competition.files.test.column(column).drop_null()
    in_train, in_test = pc.unique(train), pc.unique(test)
    if (
        min(len(in_train), len(in_test)) < _LEAST_ENTITIES
        or len(train) < _LEAST_REPEATS * len(in_train)
        or len(test) < _LEAST_REPEATS * len(in_test)
    ):
        return False
    if pc.any(pc.is_in(in_test, value_set=in_train)).as_py():
        return False
    if typed.kind != "numeric":
        return True
    numbers = time_numbers(typed.values, typed.kind)
    if numbers is None:
        return False
    known, asked = (np.unique(part[np.isfinite(part)]) for part in (numbers[:split], numbers[split:]))
    is_whole = bool(np.all(known == np.round(known)) and np.all(asked == np.round(asked)))
    among = float(np.mean((asked > known[0]) & (asked < known[-1]))) if len(known) and len(asked) else 0.0
    return is_whole and among >= 0.5


def find_time_column(competition: Competition, columns: list[str]) -> str | None:
    """A date, or a number named like a time, whose test values all come after the training values."""
    split = competition.files.train.rows
    for column in columns:
        typed = competition.typed(column)
        if typed.kind != "datetime" and not (typed.kind == "numeric" and TIME_NAME.search(column)):
            continue
        values = time_numbers(typed.values, typed.kind)
        if values is None:
            continue
        train, test = values[:split], values[split:]
        if np.isnan(train).mean() > 0.05 or np.isnan(test).mean() > 0.05 or len(np.unique(train[~np.isnan(train)])) < 6:
            continue
        early = float(np.nanquantile(test, 0.01))
        if early >= float(np.nanquantile(train, 0.99)) and float(np.nanmax(test)) > float(np.nanmax(train)):
            return column
    return None


_QUERY = re.compile(
    r"(^|_|\s)(query|qid|search|srch|session|impression|list|race|era|time_id|request|question|user|customer|group|date|day|week|timestamp)(_?(id|no|number))?$",
    re.IGNORECASE,
)
_WEIGHT = re.compile(r"^(sample|row|case|instance)?[_\s]?weights?$", re.IGNORECASE)


def find_query_column(competition: Competition, columns: list[str]) -> str | None:
    """A column of both tables that names queries or eras: at least two rows of the training table each, most of all."""
    train = competition.files.train
    best: tuple[float, str] | None = None
    for column in columns:
        if not _QUERY.search(column):
            continue
        count = pc.count_distinct(train.column(column)).as_py()
        size = train.rows / max(1, count)
        if count >= 2 and size >= 2 and (best is None or size < best[0]):
            best = (size, column)
    return best[1] if best else None


def find_weight_column(competition: Competition) -> str | None:
    """A column of the training table that is named like a weight and holds numbers of 0 or more only."""
    train = competition.files.train
    for column in train.columns:
        if _WEIGHT.search(column):
            numbers = parse_numbers(train.column(column), train.format.decimal)
            if numbers is not None and numbers.null_count == 0 and pc.min(numbers).as_py() >= 0:
                return column
    return None


def told_apart(values: pa.ChunkedArray, split: int) -> bool:
    """Whether a column's order or coverage tells test rows (from `split` on) from training rows. True also when it cannot be judged."""
    text = pc.cast(values, pa.string())
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        order = pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False)
    else:
        order = np.asarray(pc.rank(pc.fill_null(text, ""), tiebreaker="min").to_numpy(zero_copy_only=False), dtype=np.float64)
    ranks = average_ranks(np.nan_to_num(order, nan=-1.0))
    tests = len(ranks) - split
    if tests == 0 or split == 0:
        return True
    area = (ranks[split:].sum() - tests * (tests + 1) / 2) / (tests * split)
    lengths = pc.fill_null(pc.utf8_length(text), 0).to_numpy(zero_copy_only=False)
    return not 0.45 <= area <= 0.55 or abs(lengths[:split].mean() - lengths[split:].mean()) > 0.5
