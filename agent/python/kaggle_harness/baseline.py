"""The constant baseline: the best constant of each fold's training rows, graded like any solution."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import metrics
from .answers import split_items
from .folds import Folds
from .layout import TargetLayout
from .metric_table import LOG_VALUE_METRICS, METRICS
from .solutions import Solution, empty_solution
from .task import Task


def make_baseline(task: Task, folds: Folds) -> Solution:
    """Solution 0: nested constants out of fold, the constant of all labelled rows for the test."""
    solution = empty_solution(task, 0)
    solution.is_raw = METRICS[task.metric_id].needs != "label"
    for fold in range(folds.count):
        train = folds.training_rows(fold, task.times)
        solution.oof[folds.validation_rows(fold)] = choose_constants(task, train, task.metric_id)
        solution.graded.add(fold)
    solution.final = np.tile(choose_constants(task, np.arange(task.n_train), task.metric_id), (task.n_test, 1))
    return solution


def choose_constants(task: Task, rows: NDArray[np.int64], metric_id: str) -> NDArray[np.float64]:
    """The constant score of each column (columns,) that the metric likes best on these rows."""
    if task.gives_answers:
        return np.array([_constant_answer(task, target, task.truth[i][rows]) for i, target in enumerate(task.layout.targets)], dtype=float)
    parts = [_constant(metric_id, target, task.truth[i][rows]) for i, target in enumerate(task.layout.targets)]
    return np.concatenate(parts)


def _constant(metric_id: str, target: TargetLayout, truth: NDArray[Any]) -> NDArray[np.float64]:
    if target.survival is not None:
        return np.array([0.0])
    if target.classes is not None:
        shares = np.bincount(truth, minlength=len(target.classes)) / len(truth)
        if METRICS[metric_id].needs == "label":
            shares = _best_class("f1" if METRICS[metric_id].joint else metric_id, truth, len(target.classes))
        elif metric_id == "balanced_logloss":
            shares = np.full(len(target.classes), 1 / len(target.classes))
        elif metric_id == "pf1":
            shares = np.array([0.0, 1.0])
        return shares[1:] if target.stop - target.start == 1 else shares
    if target.quantiles is not None:
        return np.quantile(truth, target.quantiles)
    if metric_id in LOG_VALUE_METRICS:
        return np.array([np.expm1(np.mean(np.log1p(np.maximum(truth, 0))))])
    if metric_id in ("mae", "mae_mean_columns", "medae", "smape", "log_cosh", "wmae", "wape"):
        return np.array([np.median(truth)])
    if metric_id == "mape":
        return np.array([_weighted_median(truth, 1 / np.maximum(np.abs(truth), 1e-9))])
    if metric_id == "rmspe" and np.any(truth != 0):
        counted = truth[truth != 0]
        return np.array([np.sum(1 / counted) / np.sum(1 / counted**2)])
    return np.array([np.mean(truth)])


def _constant_answer(task: Task, target: TargetLayout, truth: NDArray[np.int64]) -> int:
    """The code of: the most frequent items, for lists; no mask and no box; else the most frequent answer (of equal ones the shortest)."""
    pool = task.extras.answers
    assert pool is not None
    if target.type in ("mask", "masks", "boxes"):
        return pool.code("")
    texts = [pool.texts[code] for code in truth.tolist()]
    if target.type == "list":
        counts = Counter(item for text in texts for item in dict.fromkeys(split_items(text)))
        ranked = sorted(counts, key=lambda item: (-counts[item], item))
        return pool.code(" ".join(ranked[: task.extras.k]))
    whole = Counter(texts)
    return pool.code(min(whole, key=lambda text: (-whole[text], len(text), text)))


def _best_class(metric_id: str, truth: NDArray[Any], classes: int) -> NDArray[np.float64]:
    """Certainty for the class that scores best when every row gets it; the most frequent one on a tie."""
    counts = np.bincount(truth, minlength=classes)
    tried = np.argsort(-counts, kind="stable")[:50]
    values = [metrics.FUNCTIONS[metric_id](truth, np.full(len(truth), c)) for c in tried]
    best = np.argmax(values) if METRICS[metric_id].direction == "maximize" else np.argmin(values)
    return np.eye(classes)[tried[int(best)]]


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
