"""What a session knows: the competition read, the task fixed, the folds cut, the solutions graded so far."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from . import baseline as baseline_part
from . import evaluate as evaluate_part
from .checks import Check
from .competition import Competition
from .data_checks import check_data
from .errors import Refused
from .fold_store import open_folds
from .folds import Folds
from .run_folders import Run, RunPlan, share_files, write_plan, write_run
from .shared_files import SharedFiles
from .solution_checks import check_members, check_solution
from .solutions import Solution
from .stacking import Rebuilt, measure_rebuilt, outer_folds
from .task import Task


class SessionState:
    """Holds it all, and says in one line what has to come first."""

    def __init__(self) -> None:
        self._competition: Competition | None = None
        self._task: Task | None = None
        self._forget()

    def _forget(self) -> None:
        """Forgets what was graded before the task was fixed."""
        self._folds: Folds | None = None
        self._runs: dict[str, Run] = {}
        self._shared: SharedFiles | None = None
        self._has_shared = False
        self._solutions: dict[int, Solution] = {}
        self._data_checks: list[Check] | None = None
        self._rebuilt: dict[tuple[int, int], Rebuilt] = {}
        self._favoured: set[int] = set()

    def _finish(self, solution: Solution, started: float) -> dict[str, Any]:
        task, folds = self._need_task(), self._need_folds(None)
        if solution.members:
            if solution.rebuilt is None or np.isnan(solution.rebuilt[outer_folds(folds).vector >= 0]).any():
                raise Refused(f"solution {solution.number} is a stack: it is judged by runs without two folds, which come first")
            measured = measure_rebuilt(task, folds, solution)
        else:
            measured = evaluate_part.evaluate(task, folds, solution.oof, solution.is_raw)
        seconds = solution.seconds + time.monotonic() - started
        solution.decoder = measured.decoder
        checks = check_solution(task, solution, measured, [] if solution.number == 0 else self._check_data())
        checks += [check_members([self._need_solution(m) for m in solution.members])] if solution.members else []
        solution.evaluation = evaluate_part.reply(solution.number, measured, checks, seconds, solution.is_raw)
        return solution.evaluation

    def _check_data(self) -> list[Check]:
        """The checks of data and folds, made once the first model is measured: the baseline does not wait for them."""
        if self._data_checks is None:
            self._data_checks = check_data(self._need_task(), self._need_folds(None))
        return self._data_checks

    def _read(self, data_dir: str, may_recommend: bool, again: bool = False) -> Competition:
        known = self._competition
        if again or known is None or known.data_dir != Path(data_dir) or (known.recommender is not None and not may_recommend):
            self._competition = Competition(Path(data_dir), may_recommend)
        return self._competition

    def _need_task(self) -> Task:
        if self._task is None:
            raise Refused("fix_task must come first")
        return self._task

    def _need_folds(self, fold_count: int | None) -> Folds:
        """The fold vector, made once. It is stored beside the runs, for a resumed attempt to go on with the same one."""
        task = self._need_task()
        if self._folds is not None and fold_count in (None, self._folds.count):
            return self._folds
        if self._folds is not None and any(n > 0 for n in self._solutions):
            raise Refused(f"the folds are cut already ({self._folds.count}); another count would make scores incomparable")
        self._runs, self._has_shared = {}, False
        self._folds = open_folds(task, fold_count)
        if 0 in self._solutions:
            self._solutions[0] = baseline_part.make_baseline(task, self._folds)
            self._finish(self._solutions[0], time.monotonic())
        return self._folds

    def _open_fold(self, fold: int | None) -> Run:
        """The folders of a fold, or of the final run (None), written once."""
        run_id = "final" if fold is None else f"fold-{fold}"
        known = self._runs.get(run_id)
        if known is None or not known.folder.is_dir():
            task, folds = self._need_task(), self._need_folds(None)
            if not self._has_shared:
                self._shared, self._has_shared = share_files(task, folds), True
            known = self._runs[run_id] = write_run(task, folds, fold, self._shared)
        return known

    def _open_run(self, plan: RunPlan) -> Run:
        """The run's folders, written once."""
        known = self._runs.get(plan.run_id)
        if known is None or not known.folder.is_dir():
            known = self._runs[plan.run_id] = write_plan(self._need_task(), self._need_folds(None), plan)
        return known

    def _need_run(self, run_id: str) -> Run:
        if run_id not in self._runs:
            raise Refused(f"there is no run {run_id[:40]}; call cut first")
        return self._runs[run_id]

    def _need_solution(self, number: int) -> Solution:
        if number not in self._solutions:
            raise Refused(f"solution {number} is unknown")
        return self._solutions[number]
