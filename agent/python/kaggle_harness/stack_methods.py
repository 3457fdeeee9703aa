"""The methods of the protocol that make, grade and judge stacks."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import BadOutput, Refused
from .folds import make_inner_folds
from .run_folders import Run
from .scores_file import read_output
from .session_state import SessionState
from .solutions import Solution, empty_solution
from .stacking import (
    OUTER_FOLDS,
    Rebuilt,
    can_stack,
    empty_rebuilt,
    judge,
    judge_refit,
    keep_rebuilt,
    plan_rebuild,
    plan_rebuilt_stack,
    plan_stack,
)
from .task import Task


class StackMethods(SessionState):
    """Solution contract, section 4."""

    def cut_stack(self, solution: int, members: list[int]) -> dict[str, Any]:
        """Writes the folds of a stack over finished solutions."""
        task, folds = self._need_stackable(), self._need_folds(None)
        kept = [self._need_member(member) for member in members]
        known = self._solutions.get(solution)
        if len(set(members)) != len(members) or (known is not None and (known.members != members or known.evaluation is not None)):
            raise Refused(f"the stack's number {solution} is taken, or a member is named twice")
        runs = [self._open_run(plan_stack(task, folds, solution, kept, fold)) for fold in range(folds.count)]
        if known is None:
            self._solutions[solution] = empty_solution(task, solution)
            self._solutions[solution].members = list(members)
        return {"runs": [run.reply() for run in runs]}

    def cut_rebuild(self) -> dict[str, Any]:
        """Writes the folders that every member is trained on again, without the rows of two folds: the same ones for every member."""
        task, folds = self._need_stackable(), self._need_folds(None)
        inner = [(outer, i) for outer in OUTER_FOLDS for i in range(make_inner_folds(task, folds, outer).count)]
        return {"runs": [self._open_run(plan_rebuild(task, folds, outer, i)).reply() for outer, i in inner]}

    def take_rebuild(self, solution: int, run_id: str, out_dir: str) -> dict[str, Any]:
        """Keeps what a member answered without the rows of an outer fold."""
        task, folds, run = self._need_stackable(), self._need_folds(None), self._need_run(run_id)
        self._need_member(solution)
        if not run_id.startswith("rebuild-") or run.fold is None:
            raise Refused(f"run {run_id[:40]} is none of those without the rows of a fold")
        try:
            scores = _read_raw(task, run, out_dir)
        except BadOutput as error:
            return {"failure": str(error)}
        inner = int(run_id.rsplit("-", 1)[1])
        rebuilt = self._rebuilt.setdefault((solution, run.fold), empty_rebuilt(task))
        if inner in rebuilt.done:
            raise Refused(f"run {run_id} of solution {solution} is taken already")
        keep_rebuilt(task, folds, rebuilt, run.fold, inner, run.rows, scores)
        return {"failure": None}

    def cut_rebuilt_stack(self, solution: int) -> dict[str, Any]:
        """Writes the folders of a stack over rebuilt members, one an outer fold, once all of them are there."""
        task, folds, stack = self._need_stackable(), self._need_folds(None), self._need_stack(solution)
        plans = []
        for outer in OUTER_FOLDS:
            members = [(member, self._need_rebuilt(member, outer)) for member in stack.members]
            plans.append(plan_rebuilt_stack(task, folds, solution, members, outer))
        return {"runs": [self._open_run(plan).reply() for plan in plans]}

    def take_rebuilt_stack(self, solution: int, run_id: str, out_dir: str) -> dict[str, Any]:
        """Keeps what a stack over rebuilt members answered for an outer fold."""
        task, run, stack = self._need_stackable(), self._need_run(run_id), self._need_stack(solution)
        if run_id != f"rebuilt-stack-{solution}-{run.fold}" or stack.evaluation is not None:
            raise Refused(f"run {run_id[:40]} is not of the stack {solution}, or that is finished")
        try:
            scores = _read_raw(task, run, out_dir)
        except BadOutput as error:
            return {"failure": str(error)}
        stack.rebuilt = np.full_like(stack.oof, np.nan) if stack.rebuilt is None else stack.rebuilt
        labelled = run.rows < task.n_train
        stack.rebuilt[run.rows[labelled]] = scores[labelled]
        return {"failure": None}

    def judge_stack(self, solution: int, against: int) -> dict[str, Any]:
        """Whether a finished stack is better than another finished solution, on the rows of the outer folds."""
        stack, other = self._need_stack(solution), self._need_solution(against)
        if stack.evaluation is None or other.evaluation is None or other.members:
            raise Refused(f"solutions {solution} and {against} cannot be compared: one is not finished, or both are stacks")
        duel = judge(self._need_task(), self._need_folds(None), stack, other)
        return {"wins": duel.wins, "detail": duel.detail}

    def cut_refit(self, solution: int) -> dict[str, Any]:
        """The folder of all labelled rows, where the rebuilt runs of a member say that a refit is better than the mean of its folds."""
        task, folds, member = self._need_stackable(), self._need_folds(None), self._need_member(solution)
        duel = judge_refit(task, folds, member, {outer: self._need_rebuilt(solution, outer) for outer in OUTER_FOLDS})
        # What an earlier attempt finished has lost the spread of its folds, by which a refit is judged.
        if not duel.wins or member.refit is not None or member.test_squares is None:
            return {"run": None, "detail": duel.detail}
        self._favoured.add(solution)
        return {"run": self._open_fold(None).reply(), "detail": duel.detail}

    def _need_stackable(self) -> Task:
        task, folds = self._need_task(), self._need_folds(None)
        if not can_stack(task) or folds.count <= len(OUTER_FOLDS):
            raise Refused("nothing can be stacked here: the folds do not answer the test rows with numbers, or there are two of them only")
        return task

    def _need_member(self, number: int) -> Solution:
        member = self._need_solution(number)
        if member.evaluation is None or not member.is_raw or number == 0 or member.members or not member.test_count:
            raise Refused(f"solution {number} cannot be stacked: it is not finished, wrote decisions, or is no program's own")
        return member

    def _need_stack(self, number: int) -> Solution:
        stack = self._need_solution(number)
        if not stack.members:
            raise Refused(f"solution {number} is no stack")
        return stack

    def _need_rebuilt(self, member: int, outer: int) -> Rebuilt:
        rebuilt = self._rebuilt.get((member, outer))
        count = make_inner_folds(self._need_task(), self._need_folds(None), outer).count
        if rebuilt is None or len(rebuilt.done) < count:
            raise Refused(f"solution {member} is not rebuilt without fold {outer} yet")
        return rebuilt


def _read_raw(task: Task, run: Run, out_dir: str) -> NDArray[np.float64]:
    """Raw scores of the run's rows. Raises BadOutput."""
    scores, is_raw = read_output(Path(out_dir), task.layout, run.keys, task.metric_id, task.extras_of(run.rows))
    if not is_raw:
        raise BadOutput("it wrote decisions where its folds gave raw scores")
    return scores
