"""Tables beside train and test: what a run may see of each, decided once with the profile (solution contract, section 2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from . import limits
from .column_types import time_numbers
from .errors import BadInput, shown
from .table_leaks import Labels, find_leaks
from .table_links import Link, find_link, join_texts, joined_texts, key_texts, match_rows
from .tables import TextTable

if TYPE_CHECKING:
    from .competition import Competition

_LEAST_COVERED = 0.05


@dataclass(frozen=True)
class Times:
    """The column that orders training and test rows, and when the test rows begin."""

    column: str
    test_start: float


@dataclass(frozen=True)
class SideTable:
    """A table as solutions get it: `data` typed, without what is withheld.

    `codes`: (rows,) of its entity, in the numbering of the task's features, -1 = missing. `times`: (rows,) where the past ends with a fold.
    """

    name: str
    key: list[str]
    relation: str
    entity: str | None
    types: dict[str, str]
    data: pa.Table
    codes: NDArray[np.int64] | None
    times: NDArray[np.float64] | None


def describe_tables(
    competition: Competition,
    usable: list[str],
    labels: Labels,
    labelled: NDArray[np.int64],
    times: Times | None,
    allow_leaks: bool,
    most_bytes: int,
) -> list[dict[str, Any]]:
    """TableProfile of each other table.

    `usable`: columns of both train and test; `labelled`: training rows that `labels` are of; `most_bytes`: of all that are given.
    """
    described: list[dict[str, Any]] = []
    names: set[str] = set()
    read_bytes = 0
    for file in (f for f in competition.files.files if f.role == "table"):
        name = _plain_name(file.stem, names)
        names.add(name)
        entry = {"name": name, "file": file.name, "rows": 0, "key": [], "relation": "none", "entity": None, "time_column": None}
        read_bytes += file.bytes
        if len(described) >= limits.TABLES or read_bytes > most_bytes:
            described.append(_withhold(entry, "there is more beside the training and test tables than every run can be given"))
            continue
        try:
            table = competition.beside(file.name)
        except BadInput as error:
            described.append(_withhold(entry, f"it cannot be read: {error}"))
            continue
        if table.rows == 0:
            described.append(_withhold(entry, "it has no rows"))
            continue
        described.append(_decide(competition, table, {**entry, "rows": table.rows}, usable, labels, labelled, times, allow_leaks))
    return described


def _plain_name(stem: str, taken: set[str]) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", stem)[:60].strip("_") or "table"
    number = 1
    name = plain
    while name in taken:
        number += 1
        name = f"{plain}_{number}"
    return name


def _withhold(entry: dict[str, Any], reason: str) -> dict[str, Any]:
    return {**entry, "given": "withheld", "withheld_columns": [], "reason": reason[:300]}


def _decide(
    competition: Competition,
    table: TextTable,
    entry: dict[str, Any],
    usable: list[str],
    labels: Labels,
    labelled: NDArray[np.int64],
    times: Times | None,
    allow_leaks: bool,
) -> dict[str, Any]:
    """By time where it ends with the training rows, by key where rows name entities of their own, else whole; leaks are withheld."""
    link = find_link(competition, table, usable, None if times is None else times.column)
    moment = None if times is None else _find_history(competition, entry["file"], table, times)
    entry = {**entry, "key": link.key, "relation": "none" if not link.key else "one" if link.is_unique else "many"}
    if moment is None and link.entity is not None and link.in_test < _LEAST_COVERED:
        return _withhold(entry, f"only training rows have a row in it, by {_list(link.key)}")
    counting: dict[str | None, str] = {c: f'"{shown(c)}" counts what folds hold out' for c in competition.counting.get(entry["file"], [])}
    # What is keyed by time and cut by time holds the answers of the past only.
    leaks = (
        counting
        if moment is not None and moment in link.key
        else counting | _find_leaks(competition, table, entry["file"], link, labels, labelled)
    )
    if leaks and not allow_leaks:
        if any(column is None for column in leaks):
            return _withhold(entry, f"it tells the answers: {leaks[None]}")
        entry = {**entry, "withheld_columns": [c for c in leaks if c is not None]}
    entry = {"withheld_columns": [], **entry, "entity": link.entity, "time_column": moment}
    joined = f"joined by {_list(link.key)}, {entry['relation']} a key" if link.key else "nothing joins it"
    how = "whole"
    if moment is not None:
        how, joined = "by-time", f'{joined}; it ends with the training rows, so a fold sees what lies before it, by "{shown(moment)}"'
    elif link.entity is not None:
        how, joined = "by-key", f'{joined}; each run sees the rows of its own "{shown(link.entity)}"'
    told = "; ".join(leaks.values())
    if told:
        joined = f"{'used all the same' if allow_leaks else 'withheld'}: {told}; {joined}"
    return {**entry, "given": how, "reason": joined[:300]}


def _list(key: list[str]) -> str:
    return shown(", ".join(key))


def _find_history(competition: Competition, file: str, table: TextTable, times: Times) -> str | None:
    """A time column of the table that ends before the test rows begin: what the real test sees of it is the past."""
    typed = {c: competition.typed_beside(file, c) for c in table.columns}
    named = [times.column] if times.column in typed else []
    for column in [*named, *(c for c, one in typed.items() if one.kind == "datetime" and c not in named)]:
        values = time_numbers(typed[column].values, typed[column].kind)
        if values is None or np.isnan(values).mean() > 0.05:
            continue
        is_date = competition.typed(times.column).kind == "datetime"
        if (typed[column].kind == "datetime") != is_date:
            continue
        return column if float(np.nanmax(values)) < times.test_start else None
    return None


def _find_leaks(
    competition: Competition, table: TextTable, file: str, link: Link, labels: Labels, labelled: NDArray[np.int64]
) -> dict[str | None, str]:
    """Why each column may not be seen; None = the table as a whole."""
    others = [c for c in table.columns if c not in link.key]
    targets = {n.lower() for n in labels.names}
    found: dict[str | None, str] = {c: f'"{shown(c)}" has the name of a target' for c in others if c.lower() in targets}
    if not link.key:
        return found
    columns = {c: competition.typed_beside(file, c) for c in others if c not in found}
    matches = np.full(competition.files.train.rows, -1, dtype=np.int64)
    matches[labelled] = match_rows(competition, table, link.key)[labelled]
    codes = None
    if not link.is_unique:
        joined = join_texts([joined_texts(competition, table, c)[2] for c in link.key])
        encoded = pc.dictionary_encode(pc.fill_null(joined, "")).combine_chunks()
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    for leak in find_leaks(columns, matches, link.is_unique, codes, labels):
        found[leak.column] = leak.detail
    return found


def load_tables(
    competition: Competition, profile: dict[str, Any], rows: pa.Array, renumber: list[str]
) -> tuple[list[SideTable], dict[str, NDArray[np.int64]]]:
    """The tables as decided, and the codes of each entity column (and of those in `renumber`) for the task's rows, -1 = missing."""
    entries = [e for e in profile.get("tables", []) if e["given"] != "withheld"]
    entities = dict.fromkeys([*renumber, *(e["entity"] for e in entries if e["entity"] is not None)])
    own: dict[str, NDArray[np.int64]] = {}
    beside: dict[tuple[str, str], NDArray[np.int64]] = {}
    for column in entities:
        holders = [e for e in entries if column in e["key"]]
        own[column], others = _encode(competition, column, [competition.beside(e["file"]) for e in holders], rows)
        beside.update({(e["name"], column): codes for e, codes in zip(holders, others, strict=True)})
    made: list[SideTable] = []
    for entry in entries:
        table = competition.beside(entry["file"])
        typed = {c: competition.typed_beside(entry["file"], c) for c in table.columns if c not in entry["withheld_columns"]}
        moment = entry["time_column"]
        times = None if moment is None else time_numbers(typed[moment].values, typed[moment].kind)
        codes = None if entry["entity"] is None else beside[entry["name"], entry["entity"]]
        data = pa.table({c: one.values for c, one in typed.items()}).combine_chunks()
        types = {c: one.kind for c, one in typed.items()}
        made.append(SideTable(entry["name"], entry["key"], entry["relation"], entry["entity"], types, data, codes, times))
    return made, own


def _encode(
    competition: Competition, column: str, tables: list[TextTable], rows: pa.Array
) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    train, test = competition.files.train, competition.files.test
    sides = [train, test, *tables]
    decimal = "," if any(side.format.decimal == "," for side in sides) else "."
    texts = key_texts([side.column(column) for side in sides], decimal)
    names = pc.unique(pa.chunked_array([chunk for text in texts for chunk in text.chunks], type=pa.string()).drop_null())
    codes = [pc.fill_null(pc.index_in(text, value_set=names), -1).to_numpy(zero_copy_only=False).astype(np.int64) for text in texts]
    return np.concatenate(codes[:2])[rows.to_numpy()], codes[2:]
