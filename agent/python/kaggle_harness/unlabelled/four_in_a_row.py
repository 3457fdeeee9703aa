"""Four in a row: the rules on bitboards, and opponents of three strengths. Columns are 0 to 6 from the left.

A column takes seven bits, the lowest is its floor; the seventh stays empty, so that rows cannot run over into the next column.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT = 7, 6
_STRIDE = HEIGHT + 1
_BOTTOM = [1 << (c * _STRIDE) for c in range(WIDTH)]
_COLUMN = [((1 << HEIGHT) - 1) << (c * _STRIDE) for c in range(WIDTH)]
_FROM_MIDDLE = sorted(range(WIDTH), key=lambda c: abs(c - WIDTH // 2))
_DEPTH = 5
_WIN = 1_000


@dataclass(frozen=True)
class Board:
    """`own`: the stones of the side to move, `all`: those of both."""

    own: int = 0
    all: int = 0

    def legal(self) -> list[int]:
        """Columns with a free place."""
        return [c for c in range(WIDTH) if self.all & _COLUMN[c] != _COLUMN[c]]

    def drop(self, column: int) -> "Board":
        """After a stone of the side to move, seen by the other side. The column must be legal."""
        return Board(self.own ^ self.all, self.all | (self.all + _BOTTOM[column]) & _COLUMN[column])

    def wins(self, column: int) -> bool:
        """Whether a stone of the side to move there makes four."""
        return has_four(self.own | (self.all + _BOTTOM[column]) & _COLUMN[column])

    def text(self, mark: int) -> str:
        """42 digits, row by row from the top: 0 free, 1 the first player, 2 the second. `mark`: who is to move."""
        cells = []
        for row in range(HEIGHT - 1, -1, -1):
            for column in range(WIDTH):
                bit = 1 << (column * _STRIDE + row)
                cells.append("0" if not self.all & bit else str(mark if self.own & bit else 3 - mark))
        return "".join(cells)


def has_four(stones: int) -> bool:
    """Whether four of these stones stand in a row: upright, level or aslant."""
    for step in (1, _STRIDE, _STRIDE - 1, _STRIDE + 1):
        pairs = stones & (stones >> step)
        if pairs & (pairs >> 2 * step):
            return True
    return False


Player = Callable[[Board, np.random.Generator], int]


def play_randomly(board: Board, rng: np.random.Generator) -> int:
    """Any legal column."""
    legal = board.legal()
    return legal[int(rng.integers(len(legal)))]


def look_one_ahead(board: Board, rng: np.random.Generator) -> int:
    """Wins where it can, else stops the other side from winning, else any legal column."""
    legal = board.legal()
    other = Board(board.own ^ board.all, board.all)
    for seen in (board, other):
        for column in legal:
            if seen.wins(column):
                return column
    return legal[int(rng.integers(len(legal)))]


def search_five_deep(board: Board, rng: np.random.Generator) -> int:
    """The best column after five moves (alpha-beta); of equal ones the one nearest to the middle."""
    best, chosen = -_WIN - 1, -1
    for column in _FROM_MIDDLE:
        if board.all & _COLUMN[column] == _COLUMN[column]:
            continue
        value = _WIN if board.wins(column) else -_search(board.drop(column), _DEPTH - 1, -_WIN - 1, -best)
        if value > best:
            best, chosen = value, column
    return chosen


def _search(board: Board, depth: int, low: int, high: int) -> int:
    """Value for the side to move: sooner wins are worth more."""
    legal = [c for c in _FROM_MIDDLE if board.all & _COLUMN[c] != _COLUMN[c]]
    if not legal or depth == 0:
        return 0
    if any(board.wins(c) for c in legal):
        return _WIN - _DEPTH + depth
    for column in legal:
        value = -_search(board.drop(column), depth - 1, -high, -low)
        if value >= high:
            return value
        low = max(low, value)
    return low


OPPONENTS: dict[str, Player] = {"random": play_randomly, "one move ahead": look_one_ahead, "five moves ahead": search_five_deep}
"""By name, weakest first (demo competition P08)."""
