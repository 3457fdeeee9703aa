"""Recommenders: from a table of interactions, one row a user whose label is what is held out of them (solution contract, section 2).

What comes of it is an ordinary task: users are rows, their lists are answers, and their remaining interactions lie in a table beside, of
which a run sees those of its own users. A user of the training rows and the same user in the test are two: the second one's table holds
everything.
"""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .answers import split_items
from .column_types import time_numbers, type_column
from .errors import BadInput
from .limits import TABLES_BYTES
from .roles import DataFiles, ListedFile
from .structure import TIME_NAME
from .tables import TextTable, read_table

LEARNED = "\x02"
"""Ends the id of a user of the training rows, so that it is another than in the test."""

_ITEM = re.compile(r"(item|product|article|movie|book|business|video|song|track|aid|hotel|ad)(_?id)?$", re.IGNORECASE)
_SHARE_HELD_OUT = 0.2
_LEAST_ITEMS = 5
_SAMPLE_ROWS = 2_000
_EQUAL = 0.95


@dataclass(frozen=True)
class Recommender:
    """`held_out`: interactions of each user that are its label, the `last` ones by `time`, or a `random` part."""

    user: str
    item: str
    time: str | None
    held_out: int
    how: str

    def describe(self) -> dict[str, object]:
        """Recommender of the protocol."""
        return {"user_column": self.user, "item_column": self.item, "time_column": self.time, "held_out": self.held_out, "how": self.how}


@dataclass(frozen=True)
class Recast:
    """The tables of rows, those beside by their files' names, and of these the columns that count interactions."""

    recommender: Recommender
    data: DataFiles
    beside: dict[str, TextTable]
    counting: dict[str, list[str]]


def recast(data: DataFiles) -> Recast | None:
    """The task with users as rows; None for any other competition."""
    found = _find_columns(data)
    if found is None or data.sample is None:
        return None
    user, item, target = found
    time, order = _order_rows(data.train, user)
    users = _codes(data.train.column(user))
    most = max([len(split_items(cell)) for cell in data.sample.column(target).slice(0, 100).to_pylist() if cell], default=0) or 10
    counts = np.bincount(users)
    held = int(max(1, min(most, round(_SHARE_HELD_OUT * float(np.median(counts))))))
    is_held = _hold_out(users, order, held)
    train = _label_users(data.train, (user, item, target), is_held, order)
    if train.rows < 10:
        return None
    recommender = Recommender(user, item, time, held, "random" if time is None else "last")
    files = [ListedFile(f.name, f.path, f.bytes, "table" if f.role == "train" else f.role) for f in data.files]
    beside, counting = _split_tables(data, files, recommender, is_held)
    test = TextTable(data.test.name, data.test.columns, data.test.data, data.test.format)
    return Recast(
        recommender, DataFiles(files, train, test, data.sample, data.sample_file, data.test_file, data.warnings), beside, counting
    )


def _find_columns(data: DataFiles) -> tuple[str, str, str] | None:
    """User and item column of the training table, and the submission's column of lists."""
    sample, train = data.sample, data.train
    if sample is None or len(sample.columns) != 2 or sample.columns[1] in train.columns:
        return None
    user, target = sample.columns
    if user not in train.columns or user not in data.test.columns:
        return None
    known = pc.unique(train.column(user).drop_null())
    asked = pc.unique(sample.column(user).drop_null())
    shared = (pc.sum(pc.is_in(asked, value_set=known)).as_py() or 0) / max(1, len(asked))
    if len(asked) != sample.rows or len(known) > 0.7 * train.rows or shared < 0.5:
        return None
    item = _find_item(train, user, sample.column(target))
    return None if item is None else (user, item, target)


def _find_item(train: TextTable, user: str, cells: pa.ChunkedArray) -> str | None:
    """The column that holds what the sample lists; by its name where the sample lists nothing."""
    listed = Counter(item for cell in cells.slice(0, _SAMPLE_ROWS).to_pylist() if cell for item in split_items(cell))
    # A single value a cell may be a number to predict; several are a list.
    several = sum(len(split_items(cell)) > 1 for cell in cells.slice(0, _SAMPLE_ROWS).to_pylist() if cell) > 0
    best: tuple[float, str] | None = None
    for column in [c for c in train.columns if c != user and (several or _ITEM.search(c))]:
        names = pc.unique(train.column(column).drop_null())
        if len(names) < _LEAST_ITEMS:
            continue
        if not listed:
            share = 1.0
        else:
            found = pc.is_in(pa.array(list(listed)), value_set=names).to_pylist()
            share = sum(count for count, is_in in zip(listed.values(), found, strict=True) if is_in) / sum(listed.values())
        if share >= 0.9 and (best is None or share > best[0]):
            best = (share, column)
    return None if best is None else best[1]


def _codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    encoded = pc.dictionary_encode(pc.fill_null(column, "")).combine_chunks()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _order_rows(train: TextTable, user: str) -> tuple[str | None, NDArray[np.float64]]:
    """The column that orders interactions, and a number a row that grows with it; without one, numbers by chance that hang on no item."""
    for column in [c for c in train.columns if c != user]:
        typed = type_column(train.column(column), train.format.decimal)
        if typed.kind == "datetime" or (typed.kind == "numeric" and TIME_NAME.search(column)):
            values = time_numbers(typed.values, typed.kind)
            if values is not None and np.isnan(values).mean() < 0.05:
                return column, np.nan_to_num(values, nan=-np.inf)
    return None, np.random.default_rng(len(train.columns) * 1_000_003 + train.rows).random(train.rows)


def _hold_out(users: NDArray[np.int64], order: NDArray[np.float64], held: int) -> NDArray[np.bool_]:
    """The last interactions of each user that has more than are held out."""
    by_user = np.lexsort((np.arange(len(users)), order, users))
    sizes = np.bincount(users)
    ends = np.cumsum(sizes)[users[by_user]]
    from_end = ends - np.arange(len(users))
    is_held = np.zeros(len(users), dtype=bool)
    is_held[by_user] = (from_end <= held) & (sizes[users[by_user]] > held)
    return is_held


def _label_users(train: TextTable, names: tuple[str, str, str], is_held: NDArray[np.bool_], order: NDArray[np.float64]) -> TextTable:
    """One row a user with something held out, in the order of their first rows."""
    user, item, target = names
    lists: dict[str, list[str]] = {}
    rows = np.flatnonzero(is_held)
    users, items = train.column(user).take(pa.array(rows)).to_pylist(), train.column(item).take(pa.array(rows)).to_pylist()
    for at in np.argsort(order[rows], kind="stable"):
        if users[at] is not None:
            lists.setdefault(users[at], []).append(items[at] or "")
    first = [u for u in dict.fromkeys(train.column(user).to_pylist()) if u in lists]
    columns = [[u + LEARNED for u in first], [" ".join(dict.fromkeys(i for i in lists[u] if i)) for u in first]]
    data = pa.table({f"c{i}": pa.array(column, type=pa.string()) for i, column in enumerate(columns)})
    return TextTable(train.name, [user, target], data, train.format)


def _split_tables(
    data: DataFiles, files: list[ListedFile], recommender: Recommender, is_held: NDArray[np.bool_]
) -> tuple[dict[str, TextTable], dict[str, list[str]]]:
    """Tables with users: each row once for the user that is learned from, without what is held out, and once for the one in the test."""
    user, item = recommender.user, recommender.item
    made: dict[str, TextTable] = {}
    counting: dict[str, list[str]] = {}
    pairs = _pairs(data.train, user, item).filter(pa.array(is_held))
    counts = pc.value_counts(data.train.column(item).drop_null())
    of_train = next(f for f in data.files if f.role == "train")
    for file in (f for f in files if f.role == "table"):
        if file.name == of_train.name:
            made[file.name] = _double(data.train, user, ~is_held)
            continue
        try:
            table = read_table(file.path, byte_limit=TABLES_BYTES)
        except BadInput:
            continue
        if user in table.columns:
            kept = np.ones(table.rows, dtype=bool)
            if item in table.columns:
                kept = ~pc.is_in(_pairs(table, user, item), value_set=pc.unique(pairs)).to_numpy(zero_copy_only=False)
            made[file.name] = _double(table, user, kept)
        elif item in table.columns:
            counting[file.name] = _find_counts(table, item, counts)
    return made, counting


def _pairs(table: TextTable, user: str, item: str) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(pc.fill_null(table.column(user), ""), pc.fill_null(table.column(item), ""), "\x1e")


def _double(table: TextTable, user: str, kept: NDArray[np.bool_]) -> TextTable:
    place = table.columns.index(user)
    learned = table.data.filter(pa.array(kept))
    renamed = pc.binary_join_element_wise(learned.column(place), pa.scalar(LEARNED), "")
    learned = learned.set_column(place, learned.column_names[place], renamed)
    return TextTable(table.name, table.columns, pa.concat_tables([learned, table.data]), table.format)


def _find_counts(table: TextTable, item: str, counts: pa.StructArray) -> list[str]:
    """Columns that count an item's interactions: they count the held-out ones too. (Solutions can count what they see.)"""
    known = pc.index_in(table.column(item), value_set=counts.field("values"))
    found = counts.field("counts").to_numpy()[pc.fill_null(known, 0).to_numpy(zero_copy_only=False)]
    expected = np.where(known.is_null().to_numpy(), 0, found)
    counting: list[str] = []
    for column in [c for c in table.columns if c != item]:
        typed = type_column(table.column(column), table.format.decimal)
        if typed.kind == "numeric" and len(np.unique(expected)) > 1:
            values = pc.cast(typed.values, pa.float64()).to_numpy(zero_copy_only=False)
            if float(np.mean(values == expected)) >= _EQUAL:
                counting.append(column)
    return counting
