"""From out-of-fold scores to an evaluation: nested decoder, score a fold, standard error, 95 % interval."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import metrics
from .checks import decide_verdict
from .decoders import Decoder, apply_labels, apply_values, fit_decoder
from .folds import Folds
from .metric_table import LOG_LOSS_METRICS, METRICS
from .scoring import score_rows, units_of
from .task import Task

Array = NDArray[np.float64]
_RESAMPLES = 200
_RESAMPLE_ROWS = 100_000


@dataclass(frozen=True)
class Measured:
    """Score with its uncertainty, the folds' scores, and the decoder for the test rows (fitted on every validated row)."""

    score: float
    low: float
    high: float
    standard_error: float
    fold_scores: list[float]
    aggregate: str
    decoder: Decoder


def is_pooled(task: Task, folds: Folds) -> bool:
    """Whether this task's metric is taken over all rows at once. Depends on labels and folds only, so it is the same for all solutions."""
    if METRICS[task.metric_id].pooled or folds.count == 1:
        return True
    for fold in range(folds.count):
        rows = folds.validation_rows(fold)
        constant = any(len(np.unique(t[rows])) < 2 for t in task.truth)
        needs = METRICS[task.metric_id].needs
        if constant and needs in ("probability", "gini") and task.metric_id not in LOG_LOSS_METRICS | {"brier"}:
            return True
        if constant and task.metric_id in ("r2", "explained_variance", "pearson", "spearman", "spearman_mean_columns"):
            return True
    return False


def fold_score(task: Task, rows: NDArray[np.int64], scores: Array) -> float | None:
    """Metric of one fold with no fitted decoder; None where it is undefined."""
    try:
        return score_rows(task, rows, scores)
    except metrics.Undefined:
        return None


@dataclass(frozen=True)
class Decoded:
    """`values` (n_train, columns) and `labels` (n_train) a target, as the competition's format would hold them; -1 where not validated."""

    values: Array
    labels: list[NDArray[np.int64]]


def decode(task: Task, folds: Folds, oof: Array, is_raw: bool) -> Decoded:
    """Decodes each fold with parameters chosen on the others. `oof`: (n_train, columns), NaN where not validated."""
    fits = _fits_decoder(task, is_raw)
    labels = [np.full(task.n_train, -1, dtype=np.int64) for _ in task.layout.targets]
    values = oof.copy()
    for fold in range(folds.count):
        rows = folds.validation_rows(fold)
        others = np.flatnonzero((folds.vector >= 0) & (folds.vector != fold)) if folds.count > 1 else rows
        decoder = _decoder(task, others, oof, fits)
        for label, decided in zip(labels, apply_labels(decoder, task.layout, oof[rows]), strict=True):
            label[rows] = decided
        values[rows] = apply_values(decoder, task.layout, oof[rows])
    return Decoded(values, labels)


def score_decoded(task: Task, decoded: Decoded, rows: NDArray[np.int64]) -> float:
    """The metric of some validated rows. Raises metrics.Undefined."""
    return score_rows(task, rows, decoded.values[rows], [label[rows] for label in decoded.labels])


def evaluate(task: Task, folds: Folds, oof: Array, is_raw: bool = True) -> Measured:
    """Decodes nested and measures. `oof`: (n_train, columns), NaN where not validated."""
    decoded = decode(task, folds, oof, is_raw)
    validated = np.flatnonzero(folds.vector >= 0)

    def score(rows: NDArray[np.int64]) -> float:
        return score_decoded(task, decoded, rows)

    fold_scores: list[float] = []
    for fold in range(folds.count):
        try:
            fold_scores.append(score(folds.validation_rows(fold)))
        except metrics.Undefined:
            fold_scores.append(float("nan"))
    known = np.array([s for s in fold_scores if np.isfinite(s)])
    final = _decoder(task, validated, oof, _fits_decoder(task, is_raw))
    if is_pooled(task, folds):
        pooled = score(validated)
        low, high, error = resample(task, score, validated)
        return Measured(pooled, min(low, pooled), max(high, pooled), error, known.tolist(), "pooled", final)
    mean = float(known.mean())
    error = float(known.std(ddof=1) / np.sqrt(len(known)))
    half = error * _t_quantile(len(known) - 1)
    return Measured(mean, mean - half, mean + half, error, known.tolist(), "mean-of-folds", final)


def _fits_decoder(task: Task, is_raw: bool) -> bool:
    return METRICS[task.metric_id].needs == "label" and is_raw


def _decoder(task: Task, rows: NDArray[np.int64], oof: Array, fits: bool) -> Decoder:
    if not fits and METRICS[task.metric_id].needs == "label":
        return [{"kind": "argmax"} for _ in task.layout.targets]
    return fit_decoder(task.metric_id, task.layout, [t[rows] for t in task.truth], oof[rows])


def _t_quantile(degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(max(1, degrees), 0.975))


def resample(task: Task, score: Callable[[NDArray[np.int64]], float], rows: NDArray[np.int64]) -> tuple[float, float, float]:
    """95 % percentile interval and standard error over resampled rows (whole groups where the folds keep groups together)."""
    rng = np.random.default_rng(20_240_101)
    size = min(len(rows), _RESAMPLE_ROWS)
    by_group = None if task.groups is None else units_of(task, rows)
    found: list[float] = []
    for _ in range(_RESAMPLES):
        if by_group is None:
            chosen = rows[rng.integers(0, len(rows), size)]
        else:
            chosen = np.concatenate([by_group[g] for g in rng.integers(0, len(by_group), len(by_group))])
        try:
            found.append(score(chosen))
        except metrics.Undefined:
            continue
    if len(found) < 20:
        return score(rows), score(rows), 0.0
    shrink = np.sqrt(size / len(rows)) if by_group is None else 1.0
    middle = float(np.mean(found))
    low, high = (middle + (float(np.quantile(found, q)) - middle) * shrink for q in (0.025, 0.975))
    return low, high, float(np.std(found, ddof=1) * shrink)


def reply(solution: int, measured: Measured, checks: list[dict[str, Any]], seconds: float, is_raw: bool = True) -> dict[str, Any]:
    """Evaluation of the protocol."""
    return {
        "solution": solution,
        "score": measured.score,
        "low": measured.low,
        "high": measured.high,
        "standard_error": measured.standard_error,
        "fold_scores": measured.fold_scores,
        "aggregate": measured.aggregate,
        "decoder": {"targets": measured.decoder},
        "checks": checks,
        "trust": decide_verdict(checks),
        "raw": is_raw,
        "seconds": round(seconds, 4),
    }
