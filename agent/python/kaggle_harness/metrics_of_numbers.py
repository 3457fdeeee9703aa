"""Metrics of numbers in numpy; tests compare them with scikit-learn. `truth` and `value` of one target: float (n,)."""

import numpy as np
from numpy.typing import NDArray

from .metrics_of_classes import EPSILON, Undefined, auc, average_ranks

Array = NDArray[np.float64]


def mse(truth: Array, value: Array) -> float:
    """Mean squared error."""
    return float(np.mean((truth - value) ** 2))


def rmse(truth: Array, value: Array) -> float:
    """Root mean squared error."""
    return float(np.sqrt(np.mean((truth - value) ** 2)))


def rmsle(truth: Array, value: Array) -> float:
    """Root mean squared error of log(1 + x); values below 0 count as 0."""
    return rmse(np.log1p(np.maximum(truth, 0)), np.log1p(np.maximum(value, 0)))


def msle(truth: Array, value: Array) -> float:
    """Mean squared error of log(1 + x); values below 0 count as 0."""
    return rmsle(truth, value) ** 2


def mae(truth: Array, value: Array) -> float:
    """Mean absolute error."""
    return float(np.mean(np.abs(truth - value)))


def medae(truth: Array, value: Array) -> float:
    """Median absolute error."""
    return float(np.median(np.abs(truth - value)))


def mape(truth: Array, value: Array) -> float:
    """Mean absolute error relative to the truth, as a fraction."""
    return float(np.mean(np.abs(truth - value) / np.maximum(np.abs(truth), EPSILON)))


def smape(truth: Array, value: Array) -> float:
    """Symmetric percentage error, 0 to 200; both zero counts as 0."""
    scale = (np.abs(truth) + np.abs(value)) / 2
    return float(100 * np.mean(np.where(scale > 0, np.abs(truth - value) / np.where(scale > 0, scale, 1), 0.0)))


def rmspe(truth: Array, value: Array) -> float:
    """Root mean squared error relative to the truth, as a fraction; rows whose truth is 0 do not count (Rossmann 2015)."""
    counted = truth != 0
    if not np.any(counted):
        raise Undefined("a percentage error needs truths other than 0")
    return float(np.sqrt(np.mean(((truth[counted] - value[counted]) / truth[counted]) ** 2)))


def log_cosh(truth: Array, value: Array) -> float:
    """Mean log of the hyperbolic cosine of the error: squared when small, absolute when large."""
    error = np.abs(truth - value)
    return float(np.mean(error + np.log1p(np.exp(-2 * error)) - np.log(2)))


def poisson_deviance(truth: Array, value: Array) -> float:
    """Mean Poisson deviance; predictions of 0 or less count as the smallest number above 0."""
    if np.any(truth < 0):
        raise Undefined("a Poisson deviance needs truths of 0 or more")
    given = np.maximum(value, EPSILON)
    ratio = np.where(truth > 0, truth, 1.0) / np.where(truth > 0, given, 1.0)
    return float(2 * np.mean(truth * np.log(ratio) - truth + given))


def gamma_deviance(truth: Array, value: Array) -> float:
    """Mean gamma deviance; predictions of 0 or less count as the smallest number above 0."""
    if np.any(truth <= 0):
        raise Undefined("a gamma deviance needs truths above 0")
    given = np.maximum(value, EPSILON)
    return float(2 * np.mean(np.log(given / truth) + truth / given - 1))


def explained_variance(truth: Array, value: Array) -> float:
    """As R2, but a constant offset of the predictions costs nothing."""
    spread = float(np.var(truth))
    if len(truth) < 2 or spread == 0:
        raise Undefined("explained variance needs truths that differ")
    return 1 - float(np.var(truth - value)) / spread


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
