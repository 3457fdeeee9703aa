"""A refit on all labelled rows, beside the mean of the folds' predictions (solution contract, section 3)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .solutions import Solution
from .task import Task

Array = NDArray[np.float64]

REFIT_BELOW_ROWS = 2_000
_MOST_SPREADS = 2.0
# Models without any chance in them differ by less than this share of their predictions' own spread, and their folds hardly differ at all.
_FLOOR = 0.02
# Of the labels' own spread: models of data that tell nothing answer nearly the same everywhere, and differ by next to nothing.
_FLOOR_OF_LABELS = 0.01


@dataclass(frozen=True)
class Comparison:
    """Whether the refit replaces the mean of the folds, and why, in one line."""

    agrees: bool
    detail: str


def wants_refit(task: Task) -> bool:
    """With few rows, the share that a fold leaves out is worth a run; above, the mean of the folds stays unless a comparison favours a refit."""
    return task.predicts_test_in_folds and task.n_train < REFIT_BELOW_ROWS


def label_spread(task: Task) -> Array:
    """(columns,) the standard deviation of what each score column stands for: a number, or whether a row is of a class. 0 where it has no unit."""
    spread = np.zeros(len(task.layout.columns))
    for target, truth in zip(task.layout.targets, task.truth, strict=True):
        part = slice(target.start, target.stop)
        if target.classes is not None:
            codes = [1] if target.stop - target.start == 1 else list(range(len(target.classes)))
            spread[part] = [float(np.std(truth == code)) for code in codes]
        elif target.survival is None and not target.is_answer:
            spread[part] = float(np.std(truth.astype(np.float64)))
    return spread


def compare_refit(task: Task, solution: Solution, scores: Array) -> Comparison:
    """Compares the refit's test scores (n_test, columns) with the folds': beyond the spread from fold to fold they are of another program.

    The difference and the spread are root mean squares over the test rows, by column; the worst column decides.
    """
    assert solution.test_squares is not None and solution.test_count > 1
    count = solution.test_count
    mean = solution.test_sum / count
    variance = np.maximum(solution.test_squares / count - mean**2, 0) * count / (count - 1)
    spread = np.sqrt(variance.mean(axis=0))
    difference = np.sqrt(((scores - mean) ** 2).mean(axis=0))
    allowed = _MOST_SPREADS * spread + _FLOOR * mean.std(axis=0) + _FLOOR_OF_LABELS * label_spread(task) + 1e-12
    worst = int(np.argmax(difference / allowed))
    detail = f"the refit on all rows is {difference[worst]:.4g} from the mean of the folds; they differ by {spread[worst]:.4g} themselves"
    return Comparison(bool(difference[worst] <= allowed[worst]), detail)
