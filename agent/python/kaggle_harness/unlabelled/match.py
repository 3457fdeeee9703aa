"""A match: one program against each opponent, from both seats, after openings that are the same for every program."""

import hashlib
from dataclasses import dataclass

import numpy as np

from .four_in_a_row import OPPONENTS, Board, play_randomly

BATCHES = 5
OPENINGS = 4
"""For each batch and opponent; each is played from both seats."""
_OPENING_STONES = 2


@dataclass
class Game:
    """One game. `mark`: the program's seat, 1 or 2; `board`: seen by the side to move; `result`: 1 won, ½ drawn, 0 lost, None while it goes on."""

    batch: int
    opponent: str
    mark: int
    board: Board
    to_move: int
    rng: np.random.Generator
    result: float | None = None
    fault: bool = False

    def play(self, column: int) -> None:
        """The program's move; one that is not legal loses. Then the opponent's, where the game goes on."""
        if column not in self.board.legal():
            self.result, self.fault = 0.0, True
            return
        self._move(column)
        self.answer()

    def answer(self) -> None:
        """Lets the opponent move when it is its turn."""
        if self.result is None and self.to_move != self.mark:
            self._move(OPPONENTS[self.opponent](self.board, self.rng))

    def _move(self, column: int) -> None:
        if self.board.wins(column):
            self.result = 1.0 if self.to_move == self.mark else 0.0
            return
        self.board = self.board.drop(column)
        self.to_move = 3 - self.to_move
        if not self.board.legal():
            self.result = 0.5


def start_games(seed: int) -> list[Game]:
    """All games of a match, each at a place where the program is to move."""
    games: list[Game] = []
    for batch in range(BATCHES):
        for opponent in OPPONENTS:
            for opening in range(OPENINGS):
                for mark in (1, 2):
                    # The opening depends on the batch and its number only: every program, from both seats, against all opponents.
                    game = Game(batch, opponent, mark, Board(), 1, _random(seed, batch, opponent, opening, mark))
                    rng = _random(seed, batch, "opening", opening, 0)
                    for _ in range(_OPENING_STONES):
                        game.board, game.to_move = game.board.drop(play_randomly(game.board, rng)), 3 - game.to_move
                    game.answer()
                    games.append(game)
    return games


def play_plainly(games: list[Game]) -> None:
    """Plays all games to their end with the first legal column: what a program without any thought reaches."""
    for game in games:
        while game.result is None:
            game.play(game.board.legal()[0])


def score_batches(games: list[Game]) -> list[float]:
    """Mean result of each batch."""
    return [float(np.mean([g.result for g in games if g.batch == batch])) for batch in range(BATCHES)]


def _random(seed: int, batch: int, opponent: str, opening: int, mark: int) -> np.random.Generator:
    text = f"{seed}|{batch}|{opponent}|{opening}|{mark}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
