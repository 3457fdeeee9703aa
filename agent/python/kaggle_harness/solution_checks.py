"""Trust checks of one solution, from what the harness measured itself."""

import numpy as np

from .checks import Check, check
from .claims import check_claims
from .evaluate import Measured
from .metric_table import METRICS
from .solutions import Solution
from .task import Task

_ALLOWED_SHIFT = 0.5
_CHANCE = 4.0


def check_solution(task: Task, solution: Solution, measured: Measured, data_checks: list[Check]) -> list[Check]:
    """The solution's own checks, then those of its data. The constant baseline has nothing to be doubted but the metric."""
    checks = [_check_perfect(task, measured), _check_metric(task)]
    if solution.number == 0:
        return checks
    if solution.refit is not None:
        checks.append(solution.refit)
    is_alike = all(c["ok"] for c in data_checks if c["name"] == "test rows like training rows")
    shift = _check_test_scores(task, solution, is_alike)
    claims = check_claims(solution, measured.score, measured.standard_error)
    return [*checks, *(c for c in (claims, shift) if c is not None), *data_checks]


def _check_perfect(task: Task, measured: Measured) -> Check:
    maximize = METRICS[task.metric_id].direction == "maximize"
    perfect = measured.score >= 0.9999 * METRICS[task.metric_id].most if maximize else measured.score <= 1e-9
    return check("not perfect", not perfect, "unverified", "the score is perfect: look for a leak" if perfect else "the score leaves room")


def _check_metric(task: Task) -> Check:
    detail = "the metric is the nearest that we compute, not the competition's own" if task.is_proxy else "the competition's own metric"
    return check("own metric", not task.is_proxy, "unverified", detail)


def _check_test_scores(task: Task, solution: Solution, is_alike: bool) -> Check | None:
    """Test rows like training rows must be answered alike; a program that answers them otherwise knows which rows are scored."""
    test = solution.test_scores()
    if test is None or not len(test) or task.gives_answers:
        return None
    oof = solution.oof[~np.isnan(solution.oof[:, 0])]
    spread = np.maximum(oof.std(axis=0), 1e-9)
    shift = float(np.max(np.abs(oof.mean(axis=0) - test.mean(axis=0)) / spread))
    allowed = _ALLOWED_SHIFT + _CHANCE / np.sqrt(min(len(test), len(oof)))
    detail = f"the means of its scores differ by at most {shift:.2f} standard deviations ({allowed:.2f} allowed)"
    return check("test like out-of-fold", shift <= allowed, "suspect" if is_alike and not task.is_timed else "note", detail)


def check_members(members: list[Solution]) -> Check:
    """A blend is no better than what it is made of."""
    suspects = [m.number for m in members if m.evaluation is not None and m.evaluation["trust"]["verdict"] == "suspect"]
    listed = ", ".join(f"#{n}" for n in suspects)
    return check("members", not suspects, "suspect", f"blended from suspect solutions: {listed}" if suspects else "no suspect among them")
