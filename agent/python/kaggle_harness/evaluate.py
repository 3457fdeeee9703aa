"""From out-of-fold scores to an evaluation: nested decoder, score a fold, standard error, 95 % interval."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import metrics
from .checks import decide_verdict
from .decoders import Decoder, apply_labels, apply_values, fit_decoder
from .folds import Folds
from .metric_table import LOG_LOSS_METRICS, METRICS
from .scoring import score_rows as score_of_rows
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
        return score_of_rows(task, rows, scores)
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


def evaluate(task: Task, folds: Folds, oof: Array, is_raw: bool = True) -> Measured:
    """Decodes nested and measures. `oof`: (n_train, columns), NaN where not validated."""
    decoded = decode(task, folds, oof, is_raw)
    values, labels = decoded.values, decoded.labels
    validated = np.flatnonzero(folds.vector >= 0)

    def score_rows(rows: NDArray[np.int64]) -> float:
        return score_of_rows(task, rows, values[rows], [label[rows] for label in labels])

    fold_scores: list[float] = []
    for fold in range(folds.count):
        try:
            fold_scores.append(score_rows(folds.validation_rows(fold)))
        except metrics.Undefined:
            fold_scores.append(float("nan"))
    known = np.array([s for s in fold_scores if np.isfinite(s)])
    final = _decoder(task, validated, oof, _fits_decoder(task, is_raw))
    if is_pooled(task, folds):
        score = score_rows(validated)
        low, high, error = _bootstrap(task, folds, score_rows, validated)
        return Measured(score, min(low, score), max(high, score), error, known.tolist(), "pooled", final)
    score = float(known.mean())
    error = float(known.std(ddof=1) / np.sqrt(len(known)))
    half = error * _t_quantile(len(known) - 1)
    return Measured(score, score - half, score + half, error, known.tolist(), "mean-of-folds", final)


def _fits_decoder(task: Task, is_raw: bool) -> bool:
    return METRICS[task.metric_id].needs == "label" and is_raw


def _decoder(task: Task, rows: NDArray[np.int64], oof: Array, fits: bool) -> Decoder:
    if not fits and METRICS[task.metric_id].needs == "label":
        return [{"kind": "argmax"} for _ in task.layout.targets]
    return fit_decoder(task.metric_id, task.layout, [t[rows] for t in task.truth], oof[rows])


def _t_quantile(degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(max(1, degrees), 0.975))


def _bootstrap(task: Task, folds: Folds, score_rows: Any, rows: NDArray[np.int64]) -> tuple[float, float, float]:
    """Percentile interval over resampled rows (whole groups where the folds keep groups together)."""
    rng = np.random.default_rng(20_240_101)
    size = min(len(rows), _RESAMPLE_ROWS)
    groups = None if task.groups is None else np.unique(task.groups[rows], return_inverse=True)[1]
    by_group = None if groups is None else np.split(rows[np.argsort(groups, kind="stable")], np.cumsum(np.bincount(groups))[:-1])
    found: list[float] = []
    for _ in range(_RESAMPLES):
        if by_group is None:
            chosen = rows[rng.integers(0, len(rows), size)]
        else:
            chosen = np.concatenate([by_group[g] for g in rng.integers(0, len(by_group), len(by_group))])
        try:
            found.append(score_rows(chosen))
        except metrics.Undefined:
            continue
    if len(found) < 20:
        return score_rows(rows), score_rows(rows), 0.0
    shrink = np.sqrt(size / len(rows)) if by_group is None else 1.0
    middle = float(np.mean(found))
    low, high = (middle + (float(np.quantile(found, q)) - middle) * shrink for q in (0.025, 0.975))
    return low, high, float(np.std(found, ddof=1) * shrink)


def reply(solution: int, measured: Measured, checks: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
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
        "seconds": round(seconds, 4),
    }
