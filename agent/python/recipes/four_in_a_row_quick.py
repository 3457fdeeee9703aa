"""Plays four in a row: looks at some hundred positions a move.

Written by assemble.py from parts/four_in_a_row_quick.py; change that file.
"""


# ---- four in a row. A board is two numbers: the stones of the side to move, and those of both; a column takes seven bits, its floor the lowest

WIDTH, HEIGHT = 7, 6
STRIDE = HEIGHT + 1
FLOOR = [1 << (c * STRIDE) for c in range(WIDTH)]
COLUMN = [((1 << HEIGHT) - 1) << (c * STRIDE) for c in range(WIDTH)]
PLACES = sum(COLUMN)
FROM_MIDDLE = [3, 2, 4, 1, 5, 0, 6]
WIN = 100_000


def winning_places(stones, taken):
    """Free places, reachable or not, where one more stone makes four in a row."""
    found = (stones << 1) & (stones << 2) & (stones << 3)
    for step in (STRIDE, STRIDE - 1, STRIDE + 1):
        pair = (stones << step) & (stones << 2 * step)
        found |= pair & (stones << 3 * step) | pair & (stones >> step)
        pair = (stones >> step) & (stones >> 2 * step)
        found |= pair & (stones >> 3 * step) | pair & (stones << step)
    return found & PLACES & ~taken


class OutOfNodes(Exception):
    """The search looked at as many positions as it may."""


class Search:
    """Deepens move by move until its positions are used up; remembers values of the depth before to try good moves first."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.best_of = {}

    def choose(self, own, taken):
        """The column to play."""
        legal = [c for c in FROM_MIDDLE if taken & COLUMN[c] != COLUMN[c]]
        chosen = legal[0]
        for depth in range(1, WIDTH * HEIGHT + 1):
            try:
                value, chosen = self.root(own, taken, depth, legal, chosen)
            except OutOfNodes:
                break
            if abs(value) > WIN // 2:
                break
        return chosen

    def root(self, own, taken, depth, legal, chosen):
        best, found = -WIN * 2, chosen
        for column in [chosen, *(c for c in legal if c != chosen)]:
            place = (taken + FLOOR[column]) & COLUMN[column]
            if winning_places(own, taken) & place:
                return WIN, column
            value = -self.value(own ^ taken, taken | place, depth - 1, -WIN * 2, -best)
            if value > best:
                best, found = value, column
        return best, found

    def value(self, own, taken, depth, low, high):
        """For the side to move; a win that comes sooner is worth more."""
        self.nodes -= 1
        if self.nodes < 0:
            raise OutOfNodes
        reach = (taken + sum(FLOOR)) & PLACES
        mine = winning_places(own, taken)
        if mine & reach:
            return WIN - taken.bit_count()
        if taken == PLACES:
            return 0
        theirs = winning_places(own ^ taken, taken)
        must = theirs & reach
        if must & (must - 1):
            return taken.bit_count() + 2 - WIN
        if depth <= 0:
            return mine.bit_count() - theirs.bit_count()
        key = (own, taken)
        first = self.best_of.get(key)
        columns = FROM_MIDDLE if first is None else [first, *(c for c in FROM_MIDDLE if c != first)]
        best = -WIN * 2
        for column in columns:
            place = reach & COLUMN[column]
            if not place or (must and place != must):
                continue
            value = -self.value(own ^ taken, taken | place, depth - 1, -high, -low)
            if value > best:
                best, self.best_of[key] = value, column
            low = max(low, value)
            if low >= high:
                break
        return best


def act(board, mark):
    """board: 42 numbers, row by row from the top, 0 = free; mark: 1 or 2. Gives a column, 0 to 6."""
    own = taken = 0
    for place, stone in enumerate(board):
        if stone:
            bit = 1 << (place % WIDTH * STRIDE + HEIGHT - 1 - place // WIDTH)
            taken |= bit
            own |= bit if stone == mark else 0
    return Search(NODES).choose(own, taken)


def agent(observation, configuration):
    """As Kaggle calls it. Stays the last function of the file: that is the one that is called."""
    return act(observation.board, observation.mark)


# ---- the model

NODES = 400
