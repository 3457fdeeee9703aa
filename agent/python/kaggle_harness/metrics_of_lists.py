"""Metrics of ordered lists and of sets, one a row: recommendations, retrieval, several labels."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from .metrics_of_classes import Undefined, probabilities

Array = NDArray[np.float64]
Item = Hashable


def average_precision_at(actual: Sequence[Item], predicted: Sequence[Item], k: int) -> float:
    """Average precision of the first k, an item counted once, over the smaller of k and the true items; 0 without true items."""
    wanted = set(actual)
    seen: set[Item] = set()
    hits, total = 0, 0.0
    for place, item in enumerate(predicted[:k]):
        if item in wanted and item not in seen:
            hits += 1
            total += hits / (place + 1)
        seen.add(item)
    return total / min(len(wanted), k) if wanted else 0.0


def map_of_lists(actual: Sequence[Sequence[Item]], predicted: Sequence[Sequence[Item]], k: int) -> float:
    """MAP@k: mean over rows (Expedia, H&M, Outbrain)."""
    return float(np.mean([average_precision_at(a, p, k) for a, p in zip(actual, predicted, strict=True)]))


def map_of_classes(truth: NDArray[np.int64], score: Array, k: int) -> float:
    """MAP@k where each row has one true class: one over its place among the class scores (n, classes), 0 beyond the first k."""
    table = probabilities(score) if score.ndim == 1 else score
    own = np.take_along_axis(table, truth[:, None], axis=1)
    earlier = np.arange(table.shape[1])[None, :] < truth[:, None]
    place = np.sum((table > own) | ((table == own) & earlier), axis=1) + 1
    return float(np.mean(np.where(place <= k, 1 / place, 0.0)))


def first_classes(score: Array, k: int) -> NDArray[np.int64]:
    """Codes (n, k or fewer) of the likeliest classes, best first; of equal ones the earlier class, as map_of_classes counts."""
    table = probabilities(score) if score.ndim == 1 else score
    return np.argsort(-table, axis=1, kind="stable")[:, :k]


def recall_of_lists(actual: Sequence[Sequence[Item]], predicted: Sequence[Sequence[Item]], k: int) -> float:
    """All true items found in the first k, over all that k places could hold (OTTO 2022)."""
    found = sum(len(set(a) & set(p[:k])) for a, p in zip(actual, predicted, strict=True))
    possible = sum(min(k, len(set(a))) for a in actual)
    if possible == 0:
        raise Undefined("no row has a true item")
    return found / possible


def ndcg_of_lists(actual: Sequence[Sequence[Item]], predicted: Sequence[Sequence[Item]], k: int) -> float:
    """NDCG@k with relevance 1 for true items, an item counted once: mean over rows that have any (Airbnb 2015)."""
    found: list[float] = []
    for a, p in zip(actual, predicted, strict=True):
        wanted, seen, gain = set(a), set(), 0.0
        for place, item in enumerate(p[:k]):
            gain += 1 / np.log2(place + 2) if item in wanted and item not in seen else 0.0
            seen.add(item)
        if wanted:
            found.append(gain / float(np.sum(1 / np.log2(np.arange(2, min(k, len(wanted)) + 2)))))
    if not found:
        raise Undefined("no row has a true item")
    return float(np.mean(found))


def f_beta_of_sets(actual: Sequence[Sequence[Item]], predicted: Sequence[Sequence[Item]], beta: float = 1.0) -> float:
    """F-beta of each row's set, averaged over rows (Planet 2017 with beta 2, Instacart with 1); both empty: 1."""
    found: list[float] = []
    for a, p in zip(actual, predicted, strict=True):
        wanted, given = set(a), set(p)
        total = beta**2 * len(wanted) + len(given)
        found.append((1 + beta**2) * len(wanted & given) / total if total else 1.0)
    return float(np.mean(found))


def jaccard_of_sets(actual: Sequence[Sequence[Item]], predicted: Sequence[Sequence[Item]]) -> float:
    """Common over all items of each row's set, averaged over rows; both empty: 1."""
    pairs = [(set(a), set(p)) for a, p in zip(actual, predicted, strict=True)]
    return float(np.mean([len(a & p) / len(a | p) if a | p else 1.0 for a, p in pairs]))


def gap(actual: Sequence[Item | None], predicted: Sequence[Item | None], confidence: Array) -> float:
    """Global average precision (Google Landmarks): one label and confidence a row, all rows ranked together; None = no label.

    Divided by the rows that have a true label.
    """
    real = sum(a is not None for a in actual)
    if real == 0:
        raise Undefined("no row has a true label")
    hits, total, place = 0, 0.0, 0
    for row in np.argsort(-confidence, kind="stable"):
        if predicted[row] is None:
            continue
        place += 1
        if actual[row] is not None and actual[row] == predicted[row]:
            hits += 1
            total += hits / place
    return total / real
