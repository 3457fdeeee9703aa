"""What the harness keeps of each solution: out-of-fold scores, test scores, its evaluation."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .decoders import Decoder
from .task import Task

Array = NDArray[np.float64]


@dataclass
class Solution:
    """`oof` (n_train, columns): NaN where not validated. `test_sum` / `test_count`: folds' scores of the test rows, summed.

    `test_squares`: their squares, summed, where a refit will be compared with them; `final`: of the run over all labelled rows; `claims`: what
    the program said of its folds; `members`: of a stack, the solutions whose scores it learns from; `rebuilt` (n_train, columns): of a stack
    rebuilt from scratch, NaN outside of the folds that this was done for.
    """

    number: int
    oof: Array
    test_sum: Array
    test_count: int = 0
    final: Array | None = None
    is_raw: bool = True
    graded: set[int] = field(default_factory=set)
    seconds: float = 0.0
    evaluation: dict[str, Any] | None = None
    decoder: Decoder | None = None
    test_squares: Array | None = None
    refit: dict[str, Any] | None = None
    claims: list[float] = field(default_factory=list)
    members: list[int] = field(default_factory=list)
    rebuilt: Array | None = None

    def test_scores(self) -> Array | None:
        """Scores of the test rows: those of the run over all rows where there is one, else the mean over folds."""
        return self.fold_mean() if self.final is None else self.final

    def fold_mean(self) -> Array | None:
        """Mean over the folds' scores of the test rows; None where the folds did not answer them."""
        return self.test_sum / self.test_count if self.test_count else None


def empty_solution(task: Task, number: int) -> Solution:
    """A solution of which nothing is graded yet."""
    columns = len(task.layout.columns)
    return Solution(number, np.full((task.n_train, columns), np.nan), np.zeros((task.n_test, columns)))
