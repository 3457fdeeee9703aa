"""The score to expect on the leaderboard: corrected for having chosen the best of several, with the noise of the test rows.

Bootstrap bias corrected cross-validation (Tsamardinos, Greasidou, Borboudakis 2018, Machine Learning 107): the winner on the rows drawn is
scored on the rows not drawn.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import metrics
from .evaluate import Decoded, Measured, decode, score_decoded
from .folds import Folds, random_of
from .metric_table import METRICS
from .scoring import units_of
from .solutions import Solution
from .task import Task

_RESAMPLES = 100
_ROWS = 5_000
_LEAST_RESAMPLES = 20
_Z95 = 1.96


@dataclass(frozen=True)
class Expected:
    """`score` with its 95 % interval for half of the test rows; `selection`: what choosing had added to the measured score."""

    score: float
    low: float
    high: float
    selection: float
    candidates: int

    def reply(self) -> dict[str, Any]:
        """Expected of the protocol."""
        return {"score": self.score, "low": self.low, "high": self.high, "selection": self.selection, "candidates": self.candidates}


def expect_score(task: Task, folds: Folds, candidates: list[Solution], chosen: int, measured: Measured) -> Expected | None:
    """`candidates`: all that could have been chosen; `chosen`: index of the one that was. None where rows are too few to say anything."""
    validated = np.flatnonzero(folds.vector >= 0)
    rows = validated[random_of(task, "expected rows").permutation(len(validated))[:_ROWS]]
    decoded = [decode(task, folds, c.oof, c.is_raw) for c in candidates]
    found = _resample(task, rows, decoded, chosen)
    if len(found) < _LEAST_RESAMPLES:
        return None
    winners, own, left = (np.array(column) for column in zip(*found, strict=True))
    selection = float(np.mean(winners - own)) if len(candidates) > 1 else 0.0
    # The spread over rows left out, as if as many had been scored as there are: of the folds' rows, and of a part of the test's. No score on a
    # leaderboard is over all of them; the larger part has at least half.
    spread = float(np.std(own, ddof=1))
    of_folds = max(measured.standard_error, spread * np.sqrt(left.mean() / len(validated)))
    of_test = spread * np.sqrt(left.mean() / max(task.n_test / 2, 1))
    half = _Z95 * float(np.hypot(of_folds, of_test))
    score = measured.score + selection
    return Expected(score, score - half, score + half, 0.0 - selection, len(candidates))


def _resample(task: Task, rows: NDArray[np.int64], decoded: list[Decoded], chosen: int) -> list[tuple[float, float, int]]:
    """(score of the winner, score of the chosen, rows): both on the rows left out of a draw that chose the winner."""
    rng = random_of(task, "expected")
    sign = 1.0 if METRICS[task.metric_id].direction == "maximize" else -1.0
    by_unit = units_of(task, rows)
    found: list[tuple[float, float, int]] = []
    for _ in range(_RESAMPLES):
        drawn = rng.integers(0, len(by_unit), len(by_unit))
        left = np.setdiff1d(np.arange(len(by_unit)), drawn)
        inside, outside = (np.concatenate([by_unit[u] for u in chosen_units]) for chosen_units in (drawn, left))
        try:
            scores = [sign * score_decoded(task, each, inside) for each in decoded]
            winner = int(np.argmax(scores))
            found.append((score_decoded(task, decoded[winner], outside), score_decoded(task, decoded[chosen], outside), len(outside)))
        except metrics.Undefined:
            continue
    return found
