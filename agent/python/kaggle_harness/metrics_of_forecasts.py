"""Metrics of forecasts: against the naive error of a series, by quantile, by distribution, weighted by row or column."""

import numpy as np
from numpy.typing import NDArray

from .metrics_by_group import rows_of_groups
from .metrics_of_classes import EPSILON, Undefined, probabilities

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


def wmae(truth: Array, score: Array, weights: Array) -> float:
    """Weighted mean of absolute errors (Walmart 2014)."""
    return float(np.average(np.abs(truth - score), weights=weights))


def wrmse(truth: Array, score: Array, weights: Array) -> float:
    """Root of the weighted mean of squared errors."""
    return float(np.sqrt(np.average((truth - score) ** 2, weights=weights)))


def wr2(truth: Array, score: Array, weights: Array) -> float:
    """1 - sum w (y - p)^2 / sum w y^2: without a mean (Jane Street 2024)."""
    total = float(np.sum(weights * truth**2))
    if total == 0:
        raise Undefined("every label is 0")
    return 1 - float(np.sum(weights * (truth - score) ** 2)) / total


def wape(truth: Array, score: Array) -> float:
    """Sum of absolute errors over the sum of absolute labels."""
    total = float(np.sum(np.abs(truth)))
    if total == 0:
        raise Undefined("every label is 0")
    return float(np.sum(np.abs(truth - score))) / total


def naive_scale(history: Array, squared: bool, skip_zeros: bool = True) -> float:
    """Mean (squared or absolute) step of a series' own past; zeros before its first sale are left out (M5 2020). Raises Undefined."""
    first = np.flatnonzero(history != 0) if skip_zeros else np.arange(len(history))
    steps = np.diff(history[first[0] :]) if len(first) else np.array([])
    scale = float(np.mean(steps**2 if squared else np.abs(steps))) if len(steps) else 0.0
    if scale == 0:
        raise Undefined("the series' past never moves")
    return scale


def rmsse(truth: Array, score: Array, groups: Codes, histories: list[Array], weights: Array | None = None) -> float:
    """Root mean squared error over the naive error of each series' past, averaged over series with `weights` (WRMSSE, M5 2020).

    `groups`: the series of each row, 0 … series - 1; `histories`: one past a series; a series whose past never moves is left out.
    """
    found, kept = [], []
    for rows in rows_of_groups(groups):
        series = int(groups[rows[0]])
        try:
            scale = naive_scale(histories[series], squared=True)
        except Undefined:
            continue
        found.append(float(np.sqrt(np.mean((truth[rows] - score[rows]) ** 2) / scale)))
        kept.append(1.0 if weights is None else float(weights[series]))
    if not found or sum(kept) == 0:
        raise Undefined("no series has a past that moves")
    return float(np.average(found, weights=kept))


def pinball(truth: Array, score: Array, quantile: float, weights: Array | None = None) -> float:
    """Mean quantile loss: quantile × what was missed above, 1 - quantile × what was given beyond (Koenker and Bassett 1978)."""
    error = truth - score
    return float(np.average(np.maximum(quantile * error, (quantile - 1) * error), weights=weights))


def mean_pinball(truth: Array, scores: Array, quantiles: list[float], weights: Array | None = None) -> float:
    """Mean over quantiles; `scores`: (n, quantiles)."""
    return float(np.mean([pinball(truth, scores[:, i], q, weights) for i, q in enumerate(quantiles)]))


def scaled_pinball(truth: Array, scores: Array, quantiles: list[float], groups: Codes, histories: list[Array], weights: Array) -> float:
    """WSPL (M5 uncertainty 2020): each series' mean quantile loss over the mean absolute step of its past, weighted over series."""
    found, kept = [], []
    for rows in rows_of_groups(groups):
        series = int(groups[rows[0]])
        scale = naive_scale(histories[series], squared=False)
        found.append(mean_pinball(truth[rows], scores[rows], quantiles) / scale)
        kept.append(float(weights[series]))
    return float(np.average(found, weights=kept))


def crps_of_members(truth: Array, members: Array) -> float:
    """Mean continuous ranked probability score of an ensemble (n, members): mean |x - y| less half the mean |x - x'|."""
    ordered = np.sort(members, axis=1)
    count = ordered.shape[1]
    weights = 2 * np.arange(1, count + 1) - count - 1
    spread = np.sum(ordered * weights, axis=1) / count**2
    return float(np.mean(np.mean(np.abs(members - truth[:, None]), axis=1) - spread))


def crps_of_steps(truth: Array, cumulative: Array, points: Array) -> float:
    """Mean squared distance of a cumulative distribution (n, points) from the step at the truth, over all points (NFL 2019)."""
    return float(np.mean((cumulative - (points[None, :] >= truth[:, None])) ** 2))


LEAST_SIGMA, MOST_ERROR = 70.0, 1000.0


def laplace_log_likelihood(truth: Array, score: Array, sigma: Array) -> float:
    """Mean of -sqrt(2) error / sigma - ln(sqrt(2) sigma); sigma at least 70, the error at most 1000 (OSIC 2020)."""
    spread = np.maximum(sigma, LEAST_SIGMA)
    error = np.minimum(np.abs(truth - score), MOST_ERROR)
    return float(np.mean(-np.sqrt(2) * error / spread - np.log(np.sqrt(2) * spread)))


def weighted_logloss(truth: Codes, score: Array, weights: Array) -> float:
    """Log loss with a weight a row."""
    chosen = np.take_along_axis(probabilities(score), truth[:, None], axis=1)[:, 0]
    return float(-np.average(np.log(np.clip(chosen, EPSILON, 1 - EPSILON)), weights=weights))


def column_weighted_logloss(truth: Codes, score: Array, columns: Array) -> float:
    """Mean over rows of the weighted mean of the columns' log losses. `truth` and `score`: (n, columns), two classes each (RSNA 2019)."""
    table = np.clip(score, EPSILON, 1 - EPSILON)
    losses = -(truth * np.log(table) + (1 - truth) * np.log(1 - table))
    return float(np.mean(np.average(losses, axis=1, weights=columns)))


def pf_beta(truth: Codes, score: Array, beta: float) -> float:
    """Probabilistic F-beta: a probability counts as that share of a hit (RSNA 2022, beta 1)."""
    share = np.clip(score, 0.0, 1.0)
    hits, called, real = float(np.sum(share * truth)), float(share.sum()), float(truth.sum())
    if real == 0:
        raise Undefined("probabilistic F needs a positive row")
    precision, recall = (hits / called if called else 0.0), hits / real
    total = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / total if total else 0.0


EARTH_KM = 6371.0


def haversine(latitude: Array, longitude: Array, guessed_latitude: Array, guessed_longitude: Array, radius_km: float = EARTH_KM) -> float:
    """Mean distance in kilometres along the sphere; degrees (ECML/PKDD 2015)."""
    lat, lon, lat2, lon2 = (np.radians(v) for v in (latitude, longitude, guessed_latitude, guessed_longitude))
    half = np.sin((lat2 - lat) / 2) ** 2 + np.cos(lat) * np.cos(lat2) * np.sin((lon2 - lon) / 2) ** 2
    return float(np.mean(2 * radius_km * np.arcsin(np.sqrt(np.clip(half, 0, 1)))))
