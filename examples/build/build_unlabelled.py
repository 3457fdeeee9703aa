"""Writes the data of the two bundled competitions without labels: a delivery round through made-up stops, and a starter for four in a row.

python examples/build/build_unlabelled.py   (numpy only; RandomState's stream is frozen, so the files are the same everywhere)
"""

from pathlib import Path

import numpy as np

EXAMPLES = Path(__file__).resolve().parents[1]
STOPS, TOWNS = 400, 12
STARTER = '''"""A player that takes any free column: send this file back with a better one."""

import random


def act(board, mark):
    """board: 42 numbers, row by row from the top, 0 = free, 1 and 2 = stones; mark: which of the two you are. Gives a column, 0 to 6."""
    return random.choice([column for column in range(7) if board[column] == 0])
'''


def build_round() -> None:
    """Stops around towns of different sizes; stop 0 is the depot. The sample visits them by number."""
    random = np.random.RandomState(2024)
    towns = random.uniform(0, 100, size=(TOWNS, 2))
    town = random.choice(TOWNS, size=STOPS, p=random.dirichlet(np.ones(TOWNS)))
    places = np.round(towns[town] + random.normal(0, 5, size=(STOPS, 2)), 3)
    places[0] = [50.0, 50.0]
    data = EXAMPLES / "delivery-round" / "data"
    data.mkdir(parents=True, exist_ok=True)
    lines = ["stop,x,y", *(f"{i},{x:.3f},{y:.3f}" for i, (x, y) in enumerate(places))]
    (data / "stops.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    order = ["stop", *map(str, range(STOPS)), "0"]
    (data / "sample_submission.csv").write_text("\n".join(order) + "\n", encoding="utf-8")


def build_game() -> None:
    """One file to start from."""
    data = EXAMPLES / "four-in-a-row" / "data"
    data.mkdir(parents=True, exist_ok=True)
    (data / "agent_example.py").write_text(STARTER, encoding="utf-8")


if __name__ == "__main__":
    build_round()
    build_game()
