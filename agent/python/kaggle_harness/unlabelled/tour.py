"""A tour through points: the order to visit them in is the answer, its length what it costs."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..column_types import parse_numbers
from ..errors import shown
from ..roles import ListedFile
from ..submission_format import is_id_name
from ..tables import TextTable, read_table

LEAST_POINTS = 3
MOST_POINTS = 1_000_000


@dataclass(frozen=True)
class Tour:
    """`points`: (n, 2 or 3) where each of `ids` lies. `opening`: the point that an answer begins and ends with, where the sample does;
    `returns`: the way back to the start counts, though the answer does not name it. `is_proxy`: the page speaks of costs besides the length."""

    points_file: ListedFile
    points_table: TextTable
    sample_file: ListedFile
    sample: TextTable
    id_column: str
    coordinates: list[str]
    column: str
    counter: str | None
    ids: list[str]
    points: NDArray[np.float64]
    opening: str | None
    returns: bool
    is_proxy: bool

    def find_fault(self, order: list[str]) -> str | None:
        """What keeps an order from being a tour, in one line; None when it is one."""
        wanted = len(self.ids) + (self.opening is not None)
        if len(order) != wanted:
            return f"{len(order)} rows, {wanted} expected"
        if self.opening is not None and not (order[0] == order[-1] == self.opening):
            return f'the tour must begin and end at "{shown(self.opening)}", as the sample does'
        visited = order[:-1] if self.opening is not None else order
        known = set(self.ids)
        seen: set[str] = set()
        for row, name in enumerate(visited):
            if name not in known:
                return f'row {row + 1} has "{shown(name)}", which is no point of {shown(self.points_table.name)}'
            if name in seen:
                return f'row {row + 1} visits "{shown(name)}" a second time'
            seen.add(name)
        return None

    def measure(self, order: list[str]) -> float:
        """Length of an order without a fault, straight lines from point to point."""
        place = {name: i for i, name in enumerate(self.ids)}
        path = self.points[[place[name] for name in order]]
        length = float(np.sqrt((np.diff(path, axis=0) ** 2).sum(axis=1)).sum())
        return length + (float(np.sqrt(((path[0] - path[-1]) ** 2).sum())) if self.returns else 0.0)

    def sample_order(self) -> list[str]:
        """What the sample visits."""
        return ["" if v is None else v.strip() for v in self.sample.column(self.column).to_pylist()]

    def plain_order(self) -> list[str]:
        """The sample's own order when it is a tour, else the points as the table lists them."""
        sample = self.sample_order()
        if self.find_fault(sample) is None:
            return sample
        if self.opening is None:
            return list(self.ids)
        return [self.opening, *(i for i in self.ids if i != self.opening), self.opening]


def find_tour(sample_file: ListedFile, tables: list[tuple[ListedFile, TextTable]], returns: bool, is_proxy: bool) -> Tour | None:
    """The points that the sample lists in an order: one column of ids, every one once, or once more at the end. None when it does not."""
    sample = read_table(sample_file.path)
    column, counter = _answer_column(sample)
    if column is None:
        return None
    order = ["" if v is None else v.strip() for v in sample.column(column).to_pylist()]
    opening = order[0] if len(order) > 2 and order[0] == order[-1] else None
    visited = order[:-1] if opening is not None else order
    if not LEAST_POINTS <= len(visited) <= MOST_POINTS or len(set(visited)) != len(visited):
        return None
    for file, table in tables:
        if table.rows != len(visited):
            continue
        for name in table.columns:
            ids = ["" if v is None else v.strip() for v in table.column(name).to_pylist()]
            coordinates = _find_coordinates(table, name) if set(ids) == set(visited) else None
            if coordinates is not None:
                points = np.column_stack([_numbers(table, c) for c in coordinates])
                return Tour(file, table, sample_file, sample, name, coordinates, column, counter, ids, points, opening, returns and opening is None, is_proxy)  # fmt: skip
    return None


def _answer_column(sample: TextTable) -> tuple[str | None, str | None]:
    """The column with the order, and one that only counts rows before it."""
    if len(sample.columns) == 1:
        return sample.columns[0], None
    if len(sample.columns) == 2:
        first = pc.fill_null(sample.column(sample.columns[0]), "").to_pylist()
        if first in ([str(i) for i in range(sample.rows)], [str(i + 1) for i in range(sample.rows)]):
            return sample.columns[1], sample.columns[0]
    return None, None


def _numbers(table: TextTable, column: str) -> NDArray[np.float64]:
    numbers = parse_numbers(table.column(column), table.format.decimal)
    assert numbers is not None
    return pc.cast(numbers, pa.float64()).to_numpy(zero_copy_only=False)


def _find_coordinates(table: TextTable, id_column: str) -> list[str] | None:
    """Columns named x, y (and z), else the only two or three columns of numbers."""
    numeric = [c for c in table.columns if c != id_column and _is_complete(table, c)]
    named = [c for letter in "xyz" for c in numeric if c.lower() == letter]
    if len(named) >= 2:
        return named
    others = [c for c in numeric if not is_id_name(c)]
    return others if len(others) in (2, 3) else None


def _is_complete(table: TextTable, column: str) -> bool:
    numbers = parse_numbers(table.column(column), table.format.decimal)
    return numbers is not None and numbers.null_count == 0
