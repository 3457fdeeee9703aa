"""Metric functions in numpy, so that the harness starts in a fraction of a second; tests compare them with scikit-learn.

`truth` of one target: int codes (n,) for classes, float (n,) for numbers. `scores`: (n,) or (n, classes) floats; codes for label metrics.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
_EPSILON = float(np.finfo(np.float64).eps)


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
    return float(-np.mean(np.log(np.clip(chosen, _EPSILON, 1 - _EPSILON))))


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


def f1(truth: Codes, predicted: Codes) -> float:
    """F1 of the positive class (code 1); 0 when it never occurs."""
    hits = int(np.sum((truth == 1) & (predicted == 1)))
    total = int(np.sum(truth == 1) + np.sum(predicted == 1))
    return 2 * hits / total if total else 0.0


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
    counts = confusion(truth, predicted)
    size = counts.shape[0]
    weights = (np.arange(size)[:, None] - np.arange(size)[None, :]) ** 2
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    below = float(np.sum(weights * expected))
    return 1.0 - float(np.sum(weights * counts)) / below if below > 0 else 0.0


def mse(truth: Array, value: Array) -> float:
    """Mean squared error."""
    return float(np.mean((truth - value) ** 2))


def rmse(truth: Array, value: Array) -> float:
    """Root mean squared error."""
    return float(np.sqrt(np.mean((truth - value) ** 2)))


def rmsle(truth: Array, value: Array) -> float:
    """Root mean squared error of log(1 + x); values below 0 count as 0."""
    return rmse(np.log1p(np.maximum(truth, 0)), np.log1p(np.maximum(value, 0)))


def mae(truth: Array, value: Array) -> float:
    """Mean absolute error."""
    return float(np.mean(np.abs(truth - value)))


def medae(truth: Array, value: Array) -> float:
    """Median absolute error."""
    return float(np.median(np.abs(truth - value)))


def mape(truth: Array, value: Array) -> float:
    """Mean absolute error relative to the truth, as a fraction."""
    return float(np.mean(np.abs(truth - value) / np.maximum(np.abs(truth), _EPSILON)))


def smape(truth: Array, value: Array) -> float:
    """Symmetric percentage error, 0 to 200; both zero counts as 0."""
    scale = (np.abs(truth) + np.abs(value)) / 2
    return float(100 * np.mean(np.where(scale > 0, np.abs(truth - value) / np.where(scale > 0, scale, 1), 0.0)))


def r2(truth: Array, value: Array) -> float:
    """Share of variance explained."""
    spread = float(np.sum((truth - truth.mean()) ** 2))
    if len(truth) < 2 or spread == 0:
        raise Undefined("R2 needs truths that differ")
    return 1 - float(np.sum((truth - value) ** 2)) / spread


def pearson(truth: Array, value: Array) -> float:
    """Linear correlation; 0 when the prediction is constant."""
    a, b = truth - truth.mean(), value - value.mean()
    if not np.any(a):
        raise Undefined("a correlation needs truths that differ")
    below = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    return float(np.sum(a * b)) / below if below > 1e-12 * len(a) * max(1e-300, float(np.abs(value).max()) ** 2) else 0.0


def spearman(truth: Array, value: Array) -> float:
    """Correlation of ranks."""
    return pearson(average_ranks(truth), average_ranks(value))


def gini(truth: Array, value: Array) -> float:
    """Normalised Gini coefficient: 1 for the perfect order, 0 for chance."""

    def raw(actual: Array, order: NDArray[np.int64]) -> float:
        return float(np.sum(np.cumsum(actual[order]) / actual.sum() - np.arange(1, len(actual) + 1) / len(actual)))

    actual = truth.astype(np.float64)
    if actual.sum() <= 0 or np.all(actual == actual[0]):
        raise Undefined("Gini needs truths that differ and are positive in sum")
    if set(np.unique(actual)) <= {0.0, 1.0}:
        return 2 * auc(truth.astype(np.int64), value) - 1
    return raw(actual, np.argsort(-value, kind="stable")) / raw(actual, np.argsort(-actual, kind="stable"))


FUNCTIONS: dict[str, Callable[..., float]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1": f1,
    "f1_macro": f1_macro,
    "f1_micro": accuracy,
    "f1_weighted": f1_weighted,
    "mcc": mcc,
    "auc": auc,
    "auc_mean_columns": auc,
    "average_precision": average_precision,
    "logloss": logloss,
    "logloss_mean_columns": logloss,
    "brier": brier,
    "qwk": qwk,
    "rmse": rmse,
    "rmse_mean_columns": rmse,
    "rmsle": rmsle,
    "rmsle_mean_columns": rmsle,
    "mse": mse,
    "mae": mae,
    "medae": medae,
    "mape": mape,
    "smape": smape,
    "r2": r2,
    "pearson": pearson,
    "spearman": spearman,
    "gini": gini,
}
"""One function a metric id; several targets: the mean over targets. With one label a row, micro-F1 equals accuracy."""
