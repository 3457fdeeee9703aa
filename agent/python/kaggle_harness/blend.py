"""Shrunk bagged greedy blending over out-of-fold scores; the estimate chooses members and weights without the scored fold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import metrics
from .baseline import choose_constants
from .blend_members import keep_members
from .evaluate import Measured, evaluate
from .folds import Folds, random_of
from .metric_table import LOG_LOSS_METRICS, LOG_VALUE_METRICS, METRICS, RANK_METRICS
from .scoring import score_rows
from .task import Task

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
_BAGS = (20, 10)
_FEWEST_BAGS = 8
# Cells (rows times score columns) that all steps of all bags may go through: some seconds on one core.
_MOST_CELLS = 20_000_000
_LEAST_ROWS = 1_000
_TRUST_ROWS = 1000
_STEPS = 15
# One for the test rows, and one for each of five folds.
_FITS = 6
_ROWS = 10_000
_ENOUGH_ROWS = 4_000


@dataclass(frozen=True)
class Blended:
    """Weights a member (sum 1), the blended out-of-fold scores from nested weights, the blended test scores, the measurement."""

    weights: Array
    oof: Array
    test: Array | None
    measured: Measured


def blend(task: Task, folds: Folds, oofs: list[Array], tests: list[Array | None], families: list[str]) -> Blended:
    """Blends members in the metric's space: ranks, log probabilities, log values or plain values. `families`: what each member is a kind of."""
    spaced = [_to_space(task, oof, folds) for oof in oofs]
    blended = np.full_like(oofs[0], np.nan)
    for fold in range(folds.count):
        rows = folds.validation_rows(fold)
        others = [folds.validation_rows(f) for f in range(folds.count) if f != fold]
        weights = _choose_weights(task, spaced, others, families, fold)
        blended[rows] = _combine(task, [s[rows] for s in spaced], weights)
    # A single block scores what it would choose by: then nothing is chosen, for the test neither.
    parts = [folds.validation_rows(f) for f in range(folds.count)] if folds.count > 1 else []
    final = _choose_weights(task, spaced, parts, families, "all")
    known = [t for t in tests if t is not None]
    test = _combine(task, [_to_space(task, t, None) for t in known], final) if len(known) == len(tests) else None
    return Blended(final, blended, test, evaluate(task, folds, blended))


def _to_space(task: Task, scores: Array, folds: Folds | None) -> Array:
    """Scores where averaging makes sense. Ranks are taken within a fold: other folds come from other models."""
    out = scores.copy()
    if task.metric_id in RANK_METRICS:
        parts = [folds.validation_rows(f) for f in range(folds.count)] if folds else [np.arange(len(scores))]
        for rows in parts:
            for column in range(out.shape[1]):
                out[rows, column] = metrics.average_ranks(scores[rows, column]) / (len(rows) + 1)
        return out
    for target in task.layout.targets:
        part = slice(target.start, target.stop)
        if target.classes is None:
            if task.metric_id in LOG_VALUE_METRICS:
                out[:, part] = np.log1p(np.maximum(scores[:, part], 0))
        elif target.stop - target.start > 1:
            table = metrics.probabilities(scores[:, part])
            out[:, part] = np.log(np.clip(table, 1e-6, 1)) if _is_log(task) else table
        elif _is_log(task):
            clipped = np.clip(scores[:, part], 1e-6, 1 - 1e-6)
            out[:, part] = np.log(clipped / (1 - clipped))
    return out


def _is_log(task: Task) -> bool:
    return task.metric_id in LOG_LOSS_METRICS


def _combine(task: Task, spaced: list[Array], weights: Array) -> Array:
    """Scores of the weighted mean in the space."""
    out = sum(w * s for w, s in zip(weights, spaced, strict=True))
    assert isinstance(out, np.ndarray)
    return _from_space(task, out)


def _from_space(task: Task, spaced: Array) -> Array:
    """What `_to_space` makes of scores, back to scores."""
    out = spaced.copy()
    if task.metric_id in RANK_METRICS:
        return out
    for target in task.layout.targets:
        part = slice(target.start, target.stop)
        if target.classes is None:
            if task.metric_id in LOG_VALUE_METRICS:
                out[:, part] = np.expm1(out[:, part])
        elif _is_log(task):
            out[:, part] = (
                metrics.probabilities(np.exp(out[:, part])) if target.stop - target.start > 1 else 1 / (1 + np.exp(-out[:, part]))
            )
    return out


def _choose_weights(task: Task, spaced: list[Array], parts: list[Rows], families: list[str], word: object) -> Array:
    """Weights of all members, chosen on the rows of `parts` (one a fold): those that are clearly weak get none. Without parts, the plain mean."""
    count = len(spaced)
    if len(parts) == 0 or count == 1:
        return np.full(count, 1 / count)
    kept = keep_members(*_cost_parts(task, spaced, parts), families)
    weights = np.zeros(count)
    weights[kept] = _weigh(task, [spaced[m] for m in kept], np.sort(np.concatenate(parts)), word)
    return weights


def _cost_parts(task: Task, spaced: list[Array], parts: list[Rows]) -> tuple[Array, Array]:
    """(members, parts) and (parts): what each member and the best constant lose on each part."""
    members = np.array([[_cost(task, rows, _from_space(task, each[rows])) for rows in parts] for each in spaced])
    constant = choose_constants(task, np.concatenate(parts), _objective(task))
    return members, np.array([_cost(task, rows, np.tile(constant, (len(rows), 1))) for rows in parts])


def _weigh(task: Task, spaced: list[Array], rows: Rows, word: object) -> Array:
    """Mean over bags of greedy selection with replacement, shrunk to the plain mean where rows are few."""
    count = len(spaced)
    if count == 1:
        return np.ones(1)
    rng = random_of(task, "blend", word)
    total = np.zeros(count)
    drawn = max(2, int(np.ceil(0.7 * count)))
    bags, size = _plan_bags(len(rows), drawn * spaced[0].shape[1])
    for _ in range(bags):
        chosen = rng.choice(rows, size=size, replace=True)
        members = np.sort(rng.choice(count, size=drawn, replace=False))
        total[members] += _greedy(task, [spaced[m][chosen] for m in members], chosen)
    trust = len(rows) / (len(rows) + _TRUST_ROWS)
    return trust * total / total.sum() + (1 - trust) / count


def _plan_bags(row_count: int, width: int) -> tuple[int, int]:
    """Bags, and rows of each, that take some seconds at most. `width`: score columns of all members of a bag."""
    most = min(row_count, _ROWS)
    for bags in _BAGS:
        size = min(most, _MOST_CELLS // (_STEPS * width * bags * _FITS))
        if size >= min(most, _ENOUGH_ROWS):
            return bags, size
    return _FEWEST_BAGS, min(most, max(_LEAST_ROWS, _MOST_CELLS // (_STEPS * width * _FEWEST_BAGS * _FITS)))


def _objective(task: Task) -> str:
    """The metric to blend by. Label metrics are replaced by log loss: their steps are noise to a greedy choice."""
    return "logloss" if METRICS[task.metric_id].needs == "label" else task.metric_id


def _cost(task: Task, rows: Rows, scores: Array) -> float:
    """What scores of the rows lose, smaller is better; infinite where the metric is not defined."""
    metric_id = _objective(task)
    try:
        value = score_rows(task, rows, scores, metric_id=metric_id)
    except metrics.Undefined:
        return float("inf")
    return -value if METRICS[metric_id].direction == "maximize" else value


def _greedy(task: Task, spaced: list[Array], rows: Rows) -> Array:
    """Adds the member that helps most, again and again; keeps the best prefix."""
    count = len(spaced)
    picked, total = np.zeros(count), np.zeros_like(spaced[0])
    best, best_cost = np.full(count, 1 / count), float("inf")
    for step in range(1, _STEPS + 1):
        costs = [_cost(task, rows, _from_space(task, (total + each) / step)) for each in spaced]
        member = int(np.argmin(costs))
        picked[member] += 1
        total += spaced[member]
        if costs[member] < best_cost - 1e-12:
            best, best_cost = picked / step, costs[member]
        elif step > 6:
            break
    return best
