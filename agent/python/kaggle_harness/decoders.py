"""Decoders turn raw scores into decisions. Fitted on other folds than the one they are scored on; parameters are plain numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import metrics
from .layout import Layout, TargetLayout, default_labels
from .metric_table import DEVIANCE_METRICS, LOG_LOSS_METRICS, LOG_VALUE_METRICS, METRICS

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Decoder = list[dict[str, Any]]
"""One entry a target: `kind` is `argmax`, `threshold`, `prior-power`, `cut-points`, `reweight`, `clip`, `sort` (quantiles that crossed) or `identity`."""

_FIT_ROWS = 50_000
_SMALLEST_MEAN = 1e-6


def fit_decoder(metric_id: str, layout: Layout, truth: list[NDArray[Any]], scores: Array) -> Decoder:
    """Chooses the decoder's parameters on these rows."""
    if METRICS[metric_id].joint and METRICS[metric_id].needs == "label":
        return _fit_common_threshold(metric_id, layout, truth, scores)
    return [_fit_target(metric_id, target, truth[i], scores) for i, target in enumerate(layout.targets)]


def apply_labels(decoder: Decoder, layout: Layout, scores: Array) -> list[Codes]:
    """Decided class codes a target (numbers and probabilities: the likeliest class)."""
    return [_decide(decoder[i], target, scores) for i, target in enumerate(layout.targets)]


def apply_values(decoder: Decoder, layout: Layout, scores: Array) -> Array:
    """Scores with numbers clipped and class rows made to sum to 1; the shape stays."""
    out = scores.copy()
    for entry, target in zip(decoder, layout.targets, strict=True):
        part = slice(target.start, target.stop)
        if entry["kind"] == "sort":
            out[:, part] = _sort_levels(out[:, part], target)
        elif target.classes is None:
            low, high = entry.get("low"), entry.get("high")
            if low is not None or high is not None:
                out[:, part] = np.clip(out[:, part], low, high)
        elif entry["kind"] == "reweight":
            table = _reweight(target, out, entry["power"], np.asarray(entry["mean"]))
            out[:, part] = table if table.shape[1] == target.stop - target.start else table[:, 1:]
        elif target.stop - target.start > 1 and entry["kind"] == "clip":
            out[:, part] = metrics.probabilities(out[:, part])
        elif entry["kind"] == "clip":
            out[:, part] = np.clip(out[:, part], entry["low"], entry["high"])
    return out


def _sort_levels(values: Array, target: TargetLayout) -> Array:
    """Quantiles in the order of their levels."""
    order = np.argsort(target.quantiles or [])
    sorted_values = np.empty_like(values)
    sorted_values[:, order] = np.sort(values, axis=1)
    return sorted_values


def _fit_target(metric_id: str, target: TargetLayout, truth: NDArray[Any], scores: Array) -> dict[str, Any]:
    if target.quantiles is not None:
        return {"kind": "sort"}
    if target.classes is None:
        if metric_id in DEVIANCE_METRICS:
            return {"kind": "clip", "low": _SMALLEST_MEAN, "high": None}
        return {"kind": "clip", "low": 0.0, "high": None} if metric_id in LOG_VALUE_METRICS else {"kind": "identity"}
    if metric_id == "balanced_logloss":
        return _fit_reweight(target, truth, scores)
    if METRICS[metric_id].needs != "label":
        is_probability = metric_id in LOG_LOSS_METRICS or metric_id == "brier"
        return {"kind": "clip", "low": 1e-15, "high": 1 - 1e-15} if is_probability else {"kind": "identity"}
    if len(truth) > _FIT_ROWS:
        keep = np.arange(0, len(truth), -(-len(truth) // _FIT_ROWS))
        truth, scores = truth[keep], scores[keep]
    if metric_id in ("qwk", "kappa_linear"):
        return {"kind": "cut-points", "cuts": _fit_cuts(metric_id, truth, expected_class(target, scores), len(target.classes))}
    if metric_id in ("accuracy", "error_rate", "f1_micro"):
        return {"kind": "argmax"}
    if target.stop - target.start == 1:
        return {"kind": "threshold", "threshold": _fit_threshold(metric_id, truth, scores[:, target.start])}
    return _fit_power(metric_id, target, truth, scores)


def _fit_threshold(metric_id: str, truth: Codes, score: Array) -> float:
    """The middle of the best plateau of thresholds, so that one lucky row does not decide."""
    candidates = np.unique(np.quantile(score, np.linspace(0, 1, 201)))
    middles = np.concatenate(([candidates[0] - 1e-6], (candidates[1:] + candidates[:-1]) / 2))
    function = metrics.FUNCTIONS[metric_id]
    values = np.array([function(truth, (score > t).astype(np.int64)) for t in middles])
    if len(values) > 9:
        padded = np.pad(values, 2, mode="edge")
        values = 0.5 * values + 0.5 * np.convolve(padded, np.full(5, 0.2), mode="valid")
    return float(middles[int(np.argmax(values))])


def _fit_common_threshold(metric_id: str, layout: Layout, truth: list[NDArray[Any]], scores: Array) -> Decoder:
    """One threshold for all targets: the metric is of rows, so the targets cannot be fitted apart."""
    table, function = np.column_stack(truth), metrics.FUNCTIONS[metric_id]
    tried = np.linspace(0.05, 0.95, 91)
    values = [function(table, (scores > t).astype(np.int64)) for t in tried]
    return [{"kind": "threshold", "threshold": float(tried[int(np.argmax(values))])} for _ in layout.targets]


def _fit_power(metric_id: str, target: TargetLayout, truth: Codes, scores: Array) -> dict[str, Any]:
    """Divides class scores by a power of their mean: one number to fit, however many classes. 0 unless clearly better."""
    part = metrics.probabilities(target.pick(scores))
    mean = np.maximum(part.mean(axis=0), 1e-6)
    function = metrics.FUNCTIONS[metric_id]
    best, best_value = 0.0, function(truth, np.argmax(part, axis=1))
    for power in (0.15, 0.3, 0.45, 0.6, 0.8, 1.0):
        value = function(truth, np.argmax(part / mean**power, axis=1))
        if value > best_value + 1e-4:
            best, best_value = power, value
    return {"kind": "prior-power", "power": best, "mean": mean.tolist()}


def _fit_reweight(target: TargetLayout, truth: Codes, scores: Array) -> dict[str, Any]:
    """How far probabilities are moved to equal classes: the power of the class shares that they are divided by."""
    mean = np.maximum(metrics.probabilities(target.pick(scores)).mean(axis=0), 1e-6)
    powers = np.linspace(0.0, 1.2, 13)
    costs = [metrics.balanced_logloss(truth, _reweight(target, scores, power, mean)) for power in powers]
    return {"kind": "reweight", "power": float(powers[int(np.argmin(costs))]), "mean": mean.tolist()}


def _reweight(target: TargetLayout, scores: Array, power: float, mean: Array) -> Array:
    table = np.clip(metrics.probabilities(target.pick(scores)), 1e-15, 1 - 1e-15)
    return metrics.probabilities(table / mean**power)


def expected_class(target: TargetLayout, scores: Array) -> Array:
    """Mean class code under the scores, for ordered classes."""
    part = metrics.probabilities(target.pick(scores))
    return part @ np.arange(part.shape[1], dtype=np.float64)


def _fit_cuts(metric_id: str, truth: Codes, value: Array, classes: int) -> list[float]:
    """Cut points of ordered classes: start where the class shares agree, then move one at a time."""
    function = metrics.FUNCTIONS[metric_id]
    shares = np.cumsum(np.bincount(truth, minlength=classes))[:-1] / len(truth)
    starts = [np.quantile(value, shares), np.arange(classes - 1) + 0.5]
    best = max(starts, key=lambda cuts: function(truth, np.searchsorted(np.sort(cuts), value)))
    cuts = np.sort(np.asarray(best, dtype=np.float64))
    if classes > 50:
        return cuts.tolist()
    score = function(truth, np.searchsorted(cuts, value))
    for width in (0.3, 0.1, 0.03):
        for i in range(classes - 1):
            for step in (-width, width):
                moved = cuts.copy()
                moved[i] += step
                if np.all(np.diff(moved) >= 0) and (new := function(truth, np.searchsorted(moved, value))) > score + 1e-6:
                    cuts, score = moved, new
    return cuts.tolist()


def _decide(entry: dict[str, Any], target: TargetLayout, scores: Array) -> Codes:
    if entry["kind"] == "threshold":
        return (scores[:, target.start] > entry["threshold"]).astype(np.int64)
    if entry["kind"] == "cut-points":
        return np.searchsorted(np.asarray(entry["cuts"]), expected_class(target, scores)).astype(np.int64)
    if entry["kind"] == "prior-power":
        part = metrics.probabilities(target.pick(scores))
        return np.argmax(part / np.asarray(entry["mean"]) ** entry["power"], axis=1).astype(np.int64)
    return default_labels(target, scores) if target.classes is not None else np.zeros(len(scores), dtype=np.int64)
