"""The unit that a fold cuts, and why (solution contract, section 2): rows, entities, or blocks of time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .column_types import time_numbers
from .errors import BadInput, shown
from .structure import find_group_column, find_time_column, names_entity
from .submission_format import is_id_name

if TYPE_CHECKING:
    from .competition import Competition

Unit = Literal["rows", "groups", "time", "panel"]
Confidence = Literal["asked", "certain", "likely", "guess"]

_MOST_REPEATED = 0.01
_LEAST_SERIES = 2
_MOST_ENTITY_COLUMNS = 3
_MOST_CANDIDATES = 40


@dataclass(frozen=True)
class RowUnit:
    """`group` for groups, `time` for time and panel, `entities` for panel: the columns that together name a series."""

    unit: Unit
    reason: str
    confidence: Confidence
    group: str | None = None
    time: str | None = None
    entities: list[str] = field(default_factory=list)


def decide_unit(competition: Competition, both: list[str], id_columns: list[str], wanted: dict[str, Any], media: list[str]) -> RowUnit:
    """By what the caller asked for (`shape`, `group_column`, `time_column`), else by how the test rows differ. Raises BadInput."""
    for name in ("group_column", "time_column"):
        column = wanted.get(name)
        if column is not None and column not in both:
            raise BadInput(
                f'The {name.replace("_", " ")} "{shown(column)}" that was asked for is no column of both the training and the test table.'
            )
    if any(wanted.get(name) is not None for name in ("shape", "group_column", "time_column")):
        return _as_asked(competition, both, id_columns, wanted)
    return _as_found(competition, both, id_columns, media)


def _as_asked(competition: Competition, both: list[str], id_columns: list[str], wanted: dict[str, Any]) -> RowUnit:
    shape, group, time = wanted.get("shape"), wanted.get("group_column"), wanted.get("time_column")
    if shape == "rows":
        return RowUnit("rows", "asked for", "asked")
    if shape == "groups" or (shape is None and group is not None):
        group = group or find_group_column(competition, both, id_columns)
        if group is None:
            raise BadInput("Folds by groups were asked for, but no column names entities: name it as the group column.")
        return RowUnit("groups", f'asked for, by "{shown(group)}"', "asked", group=group)
    time = time or find_time_column(competition, [c for c in both if c not in id_columns])
    if time is None:
        raise BadInput("Folds by time were asked for, but no column tells that test rows are later: name it as the time column.")
    if time_numbers(competition.typed(time).values, competition.typed(time).kind) is None:
        raise BadInput(f'The time column "{shown(time)}" that was asked for holds neither dates nor numbers.')
    entities = [] if shape == "time" else find_entities(competition, both, id_columns, time)
    if shape == "panel" and not entities:
        raise BadInput(f'A panel was asked for, but no columns name series that have one row for each "{shown(time)}".')
    return RowUnit("panel" if entities else "time", f'asked for, by "{shown(time)}"', "asked", time=time, entities=entities)


def _as_found(competition: Competition, both: list[str], id_columns: list[str], media: list[str]) -> RowUnit:
    """Rows of one file, or of one part of the files' names that the test names otherwise (a patient), stay together."""
    of_files = [c for c in both if any(c == m or c.startswith(f"{m} part ") for m in media)]
    group = find_group_column(competition, both, [*id_columns, *of_files])
    time = find_time_column(competition, [c for c in both if c not in id_columns])
    if group is not None:
        reason = f'training rows repeat "{shown(group)}", and test rows name others'
        if time is not None:
            return RowUnit("groups", f'{reason}; they are later by "{shown(time)}" too', "guess", group=group)
        return RowUnit("groups", reason, "certain" if is_id_name(group) else "likely", group=group)
    if time is not None:
        entities = find_entities(competition, both, id_columns, time)
        reason = f'test rows are later than training rows, by "{shown(time)}"'
        confidence: Confidence = "certain" if competition.typed(time).kind == "datetime" else "likely"
        if entities:
            reason = f'{reason}, and "{shown(", ".join(entities))}" names series with one row each time'
            return RowUnit("panel", reason, confidence, time=time, entities=entities)
        return RowUnit("time", reason, confidence, time=time)
    doubtful = next((c for c in both if competition.typed(c).kind == "datetime"), None)
    if doubtful is not None:
        return RowUnit("rows", f'test rows are not later than training rows, by "{shown(doubtful)}"', "likely")
    return RowUnit("rows", "no column names entities or times that the test rows differ by", "certain")


def default_fold_count(rows: int) -> int:
    """10 under a thousand rows, 5 up to a hundred thousand, 3 above."""
    return 10 if rows < 1000 else 5 if rows <= 100_000 else 3


def find_entities(competition: Competition, both: list[str], id_columns: list[str], time: str) -> list[str]:
    """The fewest columns that, with the time, name each training row; empty for a single series, or where none do."""
    split = competition.files.train.rows
    times = competition.typed(time).values.slice(0, split)
    if split < 1.5 * pc.count_distinct(times).as_py():
        return []
    named = sorted((c for c in both if c != time and c not in id_columns), key=lambda c: not names_entity(c))
    able = [c for c in named[:_MOST_CANDIDATES] if _may_name_series(competition, c)]
    chosen: list[str] = []
    for _ in range(_MOST_ENTITY_COLUMNS):
        best: tuple[int, str] | None = None
        for column in able:
            if column in chosen:
                continue
            left = split - _count_distinct(competition, [*chosen, column, time])
            if best is None or left < best[0]:
                best = (left, column)
        if best is None:
            return []
        chosen.append(best[1])
        if best[0] <= _MOST_REPEATED * split:
            return chosen if _are_known(competition, chosen) else []
    return []


def _may_name_series(competition: Competition, column: str) -> bool:
    typed, rows = competition.typed(column), competition.files.train.rows
    if typed.kind != "categorical" and not (typed.kind == "numeric" and pa.types.is_integer(typed.values.type)):
        return False
    return _LEAST_SERIES <= pc.count_distinct(typed.values.slice(0, rows)).as_py() <= rows / 3


def _count_distinct(competition: Competition, columns: list[str]) -> int:
    rows = competition.files.train.rows
    return int(series_codes([competition.typed(c).values.slice(0, rows) for c in columns]).max()) + 1


def _are_known(competition: Competition, entities: list[str]) -> bool:
    """Whether the test set goes on with series that the training set has."""
    split = competition.files.train.rows
    for column in entities:
        values = competition.typed(column).values
        wanted, known = pc.unique(values.slice(split).drop_null()), pc.unique(values.slice(0, split).drop_null())
        if (pc.sum(pc.is_in(wanted, value_set=known)).as_py() or 0) < 0.5 * len(wanted):
            return False
    return True


def series_codes(columns: list[pa.ChunkedArray]) -> NDArray[np.int64]:
    """(rows,) one code for each combination of the values of one or more columns; missing is a value of its own."""
    codes = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        texts = pc.fill_null(pc.cast(column, pa.string()), "")
        one = pc.dictionary_encode(texts).combine_chunks().indices.to_numpy(zero_copy_only=False).astype(np.int64)
        codes = np.unique(codes * (int(one.max()) + 1) + one, return_inverse=True)[1].astype(np.int64)
    return codes
