"""A player that takes any free column: send this file back with a better one."""

import random


def act(board, mark):
    """board: 42 numbers, row by row from the top, 0 = free, 1 and 2 = stones; mark: which of the two you are. Gives a column, 0 to 6."""
    return random.choice([column for column in range(7) if board[column] == 0])
