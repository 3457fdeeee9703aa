"""What the probes of a finalist say: whether its score holds when nothing that counts is changed, and whether it learns what it is given."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import metrics
from .checks import Check, check
from .folds import Folds, random_of
from .layout import TargetLayout
from .metric_table import METRICS
from .metrics import average_ranks
from .probes import Kind, ProbeOutcome, alone_row, control_scores, mirror
from .scoring import score_rows
from .solutions import Solution
from .task import Task

Array = NDArray[np.float64]

HOLDS = "holds with other ids and another seed"
LEARNS = "learns what it is given"
ALONE = "a row alone like among others"
JUMP = "no jump"
_RESAMPLES = 100
_ERRORS = 4.0
_LEAST_SKILL = 0.05
KEPT_SKILL = 0.75
"""An honest program learns opposite labels as well: over the demo competitions 97 to 101 % of its usual skill (docs/trust.md)."""
_JUMP_TO = 0.4
_ALONE = 0.001
_SHUFFLES = 20
_SHUFFLE_ERRORS = 3.0
_KNOWN_SHARE = 0.1


def check_probes(task: Task, folds: Folds, solution: Solution, outcomes: dict[Kind, ProbeOutcome]) -> list[Check]:
    """One check a probe that was asked for."""
    rows, control = control_scores(task, folds, solution, outcomes)
    checks: list[Check] = []
    names: dict[Kind, str] = {"fresh": HOLDS, "mirrored": LEARNS, "alone": ALONE}
    for kind, name in names.items():
        outcome = outcomes.get(kind)
        if outcome is None:
            continue
        failed = next((o for o in (control, outcome) if o.scores is None), None)
        if failed is not None:
            weight = "suspect" if failed.is_fault else "unverified"
            checks.append(check(name, False, weight, f"the program failed when it was run once more: {failed.failure}"))
        elif kind == "fresh":
            checks.append(_check_fresh(task, solution, rows, control, outcome))
        elif kind == "alone":
            checks.append(_check_alone(task, control, outcome, int(np.searchsorted(rows, alone_row(task, folds)))))
        else:
            judge = _check_answers_of_mirrored if task.gives_answers else _check_mirrored
            checks.append(judge(task, rows, control, outcome))
    return checks


def _check_fresh(task: Task, solution: Solution, rows: NDArray[np.int64], control: ProbeOutcome, fresh: ProbeOutcome) -> Check:
    """The loss of score against what chance among rows, and from fold to fold, explains."""
    assert control.scores is not None and fresh.scores is not None
    sign = 1.0 if METRICS[task.metric_id].direction == "maximize" else -1.0
    before, after = control.scores, fresh.scores

    def lose(chosen: NDArray[np.int64]) -> float:
        return sign * (score_rows(task, rows[chosen], before[chosen]) - score_rows(task, rows[chosen], after[chosen]))

    rng = random_of(task, "probe resamples")
    try:
        lost = lose(np.arange(len(rows)))
        drawn = [lose(rng.integers(0, len(rows), len(rows))) for _ in range(_RESAMPLES)]
    except metrics.Undefined:
        return check(HOLDS, True, "note", "too few rows of one fold to tell")
    scores = (solution.evaluation or {}).get("fold_scores", [])
    spread = float(np.std(scores, ddof=1)) if len(scores) > 2 else 0.0
    allowed = _ERRORS * float(np.std(drawn, ddof=1)) + 2 * spread
    detail = f"with other ids, another seed and numbers moved by a billionth it loses {lost:.4g} ({allowed:.4g} allowed)"
    return check(HOLDS, lost <= allowed + 1e-12, "suspect", detail)


def _check_alone(task: Task, control: ProbeOutcome, alone: ProbeOutcome, at: int) -> Check:
    """Where rows come one at a time, an answer may not hang on the other rows."""
    assert control.scores is not None and alone.scores is not None
    if task.gives_answers:
        same = bool(np.all(alone.scores[0] == control.scores[at]))
        return check(ALONE, same, "suspect", f"a row that is answered alone gets {'the same' if same else 'another'} answer")
    spread = np.maximum(control.scores.std(axis=0), 1e-9)
    moved = float(np.max(np.abs(alone.scores[0] - control.scores[at]) / spread))
    detail = f"the score of a row that is answered alone moves by {moved:.2g} standard deviations ({_ALONE} allowed)"
    return check(ALONE, moved <= _ALONE, "suspect", detail)


def _check_mirrored(task: Task, rows: NDArray[np.int64], control: ProbeOutcome, mirrored: ProbeOutcome) -> Check:
    """Skill on labels that were never shown, and skill that is missing on those that were: either is memory."""
    assert control.scores is not None and mirrored.scores is not None
    worst: tuple[bool, str] | None = None
    for target, whole in zip(task.layout.targets, task.truth, strict=True):
        ok, detail = _compare_skill(target, whole[rows], target.pick(control.scores), target.pick(mirrored.scores))
        if worst is None or (worst[0] and not ok):
            worst = ok, detail
    assert worst is not None
    return check(LEARNS, worst[0], "suspect", worst[1])


def _check_answers_of_mirrored(task: Task, rows: NDArray[np.int64], control: ProbeOutcome, mirrored: ProbeOutcome) -> Check:
    """Answers learned from labels of other rows must fit the rows' own labels no better than those of other rows."""
    assert control.scores is not None and mirrored.scores is not None
    sign = 1.0 if METRICS[task.metric_id].direction == "maximize" else -1.0
    rng = random_of(task, "probe shuffles")
    gains: list[float] = []
    noise = 0.0
    for answers in (control.scores, mirrored.scores):
        own = sign * score_rows(task, rows, answers)
        drawn = [sign * score_rows(task, rows, answers[rng.permutation(len(rows))]) for _ in range(_SHUFFLES)]
        gains.append(own - float(np.mean(drawn)))
        noise = float(np.std(drawn, ddof=1))
    allowed = max(_KNOWN_SHARE * gains[0], 0.0) + _SHUFFLE_ERRORS * noise
    detail = f"trained on labels of other rows its answers fit the rows by {gains[1]:.3g} more than by chance ({gains[0]:.3g} as usual, {allowed:.3g} allowed)"
    return check(LEARNS, gains[1] <= allowed, "suspect", detail)


def _compare_skill(target: TargetLayout, truth: NDArray[Any], control: Array, mirrored: Array) -> tuple[bool, str]:
    by_chance = 1 / np.sqrt(max(len(truth), 1))
    usual = skill(target, truth, control)
    unseen = skill(target, truth, mirrored)
    learned = skill(target, mirror(truth, target.classes), mirrored)
    detail = (
        f"trained on opposite labels it follows them by {learned:.3f} and the true ones by {unseen:.3f} (correlation; {usual:.3f} as usual)"
    )
    knows = unseen > _LEAST_SKILL + _ERRORS * by_chance
    # The two skills are of the same rows, so chance moves both.
    forgets = usual > _LEAST_SKILL + _ERRORS * by_chance and learned < KEPT_SKILL * usual - by_chance
    return not (knows or forgets), detail


def skill(target: TargetLayout, truth: NDArray[Any], scores: Array) -> float:
    """Correlation of scores with labels: of ranks for numbers and two classes, of class columns against indicators for more.

    Survival: twice what the concordance has above one half.
    """
    if target.survival is not None:
        sign = -1.0 if target.survival.means == "risk" else 1.0
        try:
            return 2 * metrics.FUNCTIONS["concordance"](truth[:, 0], truth[:, 1].astype(np.int64), sign * scores) - 1
        except metrics.Undefined:
            return 0.0
    if scores.ndim == 2:
        wanted = np.eye(scores.shape[1])[truth]
        left, right = wanted - wanted.mean(axis=0), scores - scores.mean(axis=0)
    else:
        left, right = average_ranks(truth.astype(np.float64)), average_ranks(scores)
        left, right = left - left.mean(), right - right.mean()
    size = float(np.sqrt(np.sum(left**2) * np.sum(right**2)))
    return float(np.sum(left * right)) / size if size > 0 else 0.0


def check_jump(task: Task, solution: Solution, others: list[Solution]) -> Check:
    """A score that leaves far less room than that of any other solution is a discovery or a leak: a person must say which."""
    maximize = METRICS[task.metric_id].direction == "maximize"
    kept = [o.evaluation for o in others if o.number not in (0, solution.number) and o.evaluation is not None]
    scores = [e["score"] for e in kept if e["trust"]["verdict"] != "suspect"]
    assert solution.evaluation is not None
    if not scores:
        return check(JUMP, True, "note", "no other model to compare with")
    room, before = (
        (METRICS[task.metric_id].most - s if maximize else s)
        for s in (solution.evaluation["score"], max(scores) if maximize else min(scores))
    )
    is_jump = before - room > _ERRORS * solution.evaluation["standard_error"] and room < _JUMP_TO * before
    detail = f"what is left to a perfect score is {room:.4g}; the best other model leaves {before:.4g}"
    return check(JUMP, not is_jump, "unverified", detail)
