"""Shrunk bagged greedy blending over out-of-fold scores; the estimate chooses its weights without the scored fold."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import metrics
from .evaluate import Measured, evaluate
from .folds import Folds, random_of
from .metric_table import LOG_LOSS_METRICS, LOG_VALUE_METRICS, METRICS, RANK_METRICS
from .scoring import score_rows
from .task import Task

Array = NDArray[np.float64]
_BAGS = 8
_STEPS = 15
_ROWS = 10_000


@dataclass(frozen=True)
class Blended:
    """Weights a member (sum 1), the blended out-of-fold scores from nested weights, the blended test scores, the measurement."""

    weights: Array
    oof: Array
    test: Array | None
    measured: Measured


def blend(task: Task, folds: Folds, oofs: list[Array], tests: list[Array | None]) -> Blended:
    """Blends members in the metric's space: ranks, log probabilities, log values or plain values."""
    spaced = [_to_space(task, oof, folds) for oof in oofs]
    blended = np.full_like(oofs[0], np.nan)
    validated = np.flatnonzero(folds.vector >= 0)
    for fold in range(folds.count):
        rows = folds.validation_rows(fold)
        others = np.flatnonzero((folds.vector >= 0) & (folds.vector != fold)) if folds.count > 1 else rows
        weights = _choose_weights(task, spaced, others, fold) if folds.count > 1 else np.full(len(oofs), 1 / len(oofs))
        blended[rows] = _combine(task, [s[rows] for s in spaced], weights)
    final = _choose_weights(task, spaced, validated, "all") if folds.count > 1 else np.full(len(oofs), 1 / len(oofs))
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
    """Weighted mean in the space, back to scores."""
    out = sum(w * s for w, s in zip(weights, spaced, strict=True))
    assert isinstance(out, np.ndarray)
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


def _choose_weights(task: Task, spaced: list[Array], rows: NDArray[np.int64], word: object) -> Array:
    """Mean over bags of greedy selection with replacement, shrunk to the plain mean where rows are few."""
    count = len(spaced)
    plain = np.full(count, 1 / count)
    if count == 1:
        return plain
    rng = random_of(task, "blend", word)
    total = np.zeros(count)
    for _ in range(_BAGS):
        chosen = rng.choice(rows, size=min(len(rows), _ROWS), replace=True)
        members = np.sort(rng.choice(count, size=max(2, int(np.ceil(0.7 * count))), replace=False))
        total[members] += _greedy(len(members), _objective(task, [spaced[m][chosen] for m in members], chosen))
    trust = len(rows) / (len(rows) + 1000)
    return trust * total / total.sum() + (1 - trust) * plain


def _objective(task: Task, spaced: list[Array], rows: NDArray[np.int64]) -> Callable[[Array], float]:
    """Smaller is better. Label metrics are replaced by log loss: their steps are noise to a greedy choice."""
    metric_id = "logloss" if METRICS[task.metric_id].needs == "label" else task.metric_id
    sign = -1.0 if METRICS[metric_id].direction == "maximize" else 1.0

    def cost(weights: Array) -> float:
        try:
            return sign * score_rows(task, rows, _combine(task, spaced, weights), metric_id=metric_id)
        except metrics.Undefined:
            return float("inf")

    return cost


def _greedy(count: int, cost: Callable[[Array], float]) -> Array:
    """Adds the member that helps most, again and again; keeps the best prefix."""
    picked = np.zeros(count)
    best, best_cost = np.full(count, 1 / count), float("inf")
    for step in range(1, _STEPS + 1):
        costs = [cost((picked + np.eye(count)[m]) / step) for m in range(count)]
        member = int(np.argmin(costs))
        picked[member] += 1
        if costs[member] < best_cost - 1e-12:
            best, best_cost = picked / step, costs[member]
        elif step > 6:
            break
    return best
