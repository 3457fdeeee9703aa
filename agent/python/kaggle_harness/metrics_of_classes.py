"""Metrics of classes in numpy, so that the harness starts in a fraction of a second; tests compare them with scikit-learn.

`truth` of one target: int codes (n,). `scores`: (n,) or (n, classes) floats; codes for label metrics.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
EPSILON = float(np.finfo(np.float64).eps)


class Undefined(ValueError):
    """The metric has no value for these rows (a single class, no rows)."""


def average_ranks(values: Array) -> Array:
    """Ranks from 1, ties averaged."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    ends = np.append(starts[1:], len(values))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((starts + ends + 1) / 2, ends - starts)
    return ranks


def auc(truth: Codes, score: Array) -> float:
    """Area under the ROC curve; more than two classes: mean of one against the rest."""
    if score.ndim == 2:
        present = np.unique(truth)
        if len(present) < 2:
            raise Undefined("AUC needs two classes")
        return float(np.mean([auc((truth == c).astype(np.int64), score[:, c]) for c in present]))
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if positives == 0 or negatives == 0:
        raise Undefined("AUC needs both classes")
    return float((average_ranks(score)[truth == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


PARTIAL_AUC_RATE = 0.2


def partial_auc(truth: Codes, score: Array) -> float:
    """Area over the true positive rate of 80 %, from 0 to 0.2 (ISIC 2024): the ROC curve of the negated problem up to a rate of 20 %."""
    flipped = 1 - truth
    positives, negatives = int(flipped.sum()), int(truth.sum())
    if positives == 0 or negatives == 0:
        raise Undefined("partial AUC needs both classes")
    order = np.argsort(score, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(score[order])), len(truth) - 1)
    true_rate = np.append(0.0, np.cumsum(flipped[order])[last_of_tie] / positives)
    false_rate = np.append(0.0, np.cumsum(truth[order])[last_of_tie] / negatives)
    inside = false_rate <= PARTIAL_AUC_RATE
    x = np.append(false_rate[inside], PARTIAL_AUC_RATE)
    y = np.append(true_rate[inside], np.interp(PARTIAL_AUC_RATE, false_rate, true_rate))
    return float(np.trapezoid(y, x))


def amex(truth: Codes, score: Array) -> float:
    """Mean of the normalised Gini and of the defaults caught in the top 4 %, a negative row counted 20 times (American Express 2022)."""
    if truth.sum() == 0 or truth.sum() == len(truth):
        raise Undefined("the Amex metric needs both classes")

    def weighted_gini(order: NDArray[np.int64]) -> float:
        hits, weights = truth[order], np.where(truth[order] == 0, 20.0, 1.0)
        at_random = np.cumsum(weights / weights.sum())
        found = np.cumsum(hits * weights) / np.sum(hits * weights)
        return float(np.sum((found - at_random) * weights))

    order = np.argsort(-score, kind="stable")
    weights = np.where(truth[order] == 0, 20.0, 1.0)
    top = np.cumsum(weights) <= int(0.04 * weights.sum())
    caught = float(truth[order][top].sum() / truth.sum())
    return 0.5 * (weighted_gini(order) / weighted_gini(np.argsort(-truth, kind="stable")) + caught)


def pf1(truth: Codes, score: Array) -> float:
    """Probabilistic F1 (RSNA 2022): a probability counts as that share of a hit."""
    if truth.sum() == 0:
        raise Undefined("probabilistic F1 needs a positive row")
    share = np.clip(score, 0.0, 1.0)
    hits = float(np.sum(share * truth))
    total = float(share.sum() + truth.sum())
    return 2 * hits / total


def average_precision(truth: Codes, score: Array) -> float:
    """Sum of precision times the step of recall; more than two classes: mean of one against the rest."""
    if score.ndim == 2:
        return float(np.mean([average_precision((truth == c).astype(np.int64), score[:, c]) for c in np.unique(truth)]))
    positives = int(truth.sum())
    if positives == 0:
        raise Undefined("average precision needs a positive row")
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(truth[order])
    last_of_tie = np.append(np.flatnonzero(np.diff(score[order])), len(truth) - 1)
    precision = hits[last_of_tie] / (last_of_tie + 1)
    return float(np.sum(np.diff(np.concatenate(([0], hits[last_of_tie]))) / positives * precision))


def probabilities(score: Array) -> Array:
    """(n, classes) rows that sum to 1, from one positive column or from class columns."""
    if score.ndim == 1:
        positive = np.clip(score, 0.0, 1.0)
        return np.column_stack([1 - positive, positive])
    clipped = np.clip(score, 0.0, None)
    total = clipped.sum(axis=1, keepdims=True)
    return np.where(total > 0, clipped / np.where(total > 0, total, 1), 1 / score.shape[1])


def logloss(truth: Codes, score: Array) -> float:
    """Mean negative log probability of the true class."""
    chosen = np.take_along_axis(probabilities(score), truth[:, None], axis=1)[:, 0]
    return float(-np.mean(np.log(np.clip(chosen, EPSILON, 1 - EPSILON))))


def balanced_logloss(truth: Codes, score: Array) -> float:
    """Log loss with every class that occurs weighing the same (ICR 2023)."""
    chosen = np.take_along_axis(probabilities(score), truth[:, None], axis=1)[:, 0]
    losses = -np.log(np.clip(chosen, EPSILON, 1 - EPSILON))
    counts = np.bincount(truth)
    return float(np.mean((np.bincount(truth, weights=losses)[counts > 0]) / counts[counts > 0]))


def brier(truth: Codes, score: Array) -> float:
    """Two classes: mean squared error of the positive probability; more: sum of squared errors over classes."""
    table = probabilities(score)
    if table.shape[1] == 2:
        return float(np.mean((table[:, 1] - truth) ** 2))
    return float(np.mean(np.sum((table - np.eye(table.shape[1])[truth]) ** 2, axis=1)))


def confusion(truth: Codes, predicted: Codes) -> Array:
    """Counts, truth by prediction."""
    size = int(max(truth.max(), predicted.max())) + 1
    return np.bincount(truth * size + predicted, minlength=size * size).reshape(size, size).astype(np.float64)


def accuracy(truth: Codes, predicted: Codes) -> float:
    """Share of rows decided right."""
    return float(np.mean(truth == predicted))


def error_rate(truth: Codes, predicted: Codes) -> float:
    """Share of rows decided wrong."""
    return float(np.mean(truth != predicted))


def balanced_accuracy(truth: Codes, predicted: Codes) -> float:
    """Mean recall over the classes that occur."""
    counts = confusion(truth, predicted)
    support = counts.sum(axis=1)
    return float(np.mean(np.diag(counts)[support > 0] / support[support > 0]))


def _f1_per_class(truth: Codes, predicted: Codes) -> tuple[Array, Array]:
    counts = confusion(truth, predicted)
    support, chosen = counts.sum(axis=1), counts.sum(axis=0)
    total = support + chosen
    return np.where(total > 0, 2 * np.diag(counts) / np.where(total > 0, total, 1), np.nan), support


def f_beta(truth: Codes, predicted: Codes, beta: float) -> float:
    """F-beta of the positive class (code 1); 0 when it never occurs."""
    hits = int(np.sum((truth == 1) & (predicted == 1)))
    total = float(beta**2 * np.sum(truth == 1) + np.sum(predicted == 1))
    return (1 + beta**2) * hits / total if total else 0.0


def f1(truth: Codes, predicted: Codes) -> float:
    """F1 of the positive class (code 1); 0 when it never occurs."""
    return f_beta(truth, predicted, 1.0)


def f05(truth: Codes, predicted: Codes) -> float:
    """F-beta with beta 0.5: precision counts more."""
    return f_beta(truth, predicted, 0.5)


def f2(truth: Codes, predicted: Codes) -> float:
    """F-beta with beta 2: recall counts more."""
    return f_beta(truth, predicted, 2.0)


def precision(truth: Codes, predicted: Codes) -> float:
    """Share of the rows called positive that are; 0 when none is called so."""
    called = int(np.sum(predicted == 1))
    return int(np.sum((truth == 1) & (predicted == 1))) / called if called else 0.0


def recall(truth: Codes, predicted: Codes) -> float:
    """Share of the positive rows that are called so; 0 when there are none."""
    positives = int(np.sum(truth == 1))
    return int(np.sum((truth == 1) & (predicted == 1))) / positives if positives else 0.0


def jaccard(truth: Codes, predicted: Codes) -> float:
    """Positive rows called so, over rows positive or called so; 0 when there are none."""
    either = int(np.sum((truth == 1) | (predicted == 1)))
    return int(np.sum((truth == 1) & (predicted == 1))) / either if either else 0.0


def f1_macro(truth: Codes, predicted: Codes) -> float:
    """Mean F1 over the classes that occur in truth or prediction."""
    per_class, _ = _f1_per_class(truth, predicted)
    return float(np.nanmean(per_class))


def f1_weighted(truth: Codes, predicted: Codes) -> float:
    """F1 weighted by the rows of each class."""
    per_class, support = _f1_per_class(truth, predicted)
    return float(np.nansum(per_class * support) / support.sum())


def mcc(truth: Codes, predicted: Codes) -> float:
    """Matthews correlation; 0 when either side is constant."""
    counts = confusion(truth, predicted)
    n, right = counts.sum(), np.trace(counts)
    t, p = counts.sum(axis=1), counts.sum(axis=0)
    below = (n * n - np.sum(p * p)) * (n * n - np.sum(t * t))
    return float((right * n - np.sum(t * p)) / np.sqrt(below)) if below > 0 else 0.0


def qwk(truth: Codes, predicted: Codes) -> float:
    """Quadratic weighted kappa over ordered codes."""
    return _weighted_kappa(truth, predicted, lambda distance: distance**2)


def kappa_linear(truth: Codes, predicted: Codes) -> float:
    """Linearly weighted kappa over ordered codes."""
    return _weighted_kappa(truth, predicted, np.abs)


def kappa(truth: Codes, predicted: Codes) -> float:
    """Cohen's kappa: agreement beyond chance."""
    return _weighted_kappa(truth, predicted, np.sign)


def _weighted_kappa(truth: Codes, predicted: Codes, weigh: Callable[[NDArray[np.int64]], NDArray[Any]]) -> float:
    counts = confusion(truth, predicted)
    size = counts.shape[0]
    weights = weigh(np.abs(np.arange(size)[:, None] - np.arange(size)[None, :]))
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    below = float(np.sum(weights * expected))
    return 1.0 - float(np.sum(weights * counts)) / below if below > 0 else 0.0
