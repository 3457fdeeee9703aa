"""Metrics that are taken within queries, eras, strata or subgroups, and then put together.

`groups`: int codes (n,), one group a row. `truth` and `score`: (n,) floats unless said otherwise.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from .metrics_of_classes import Undefined, auc
from .metrics_of_numbers import pearson, spearman

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


def rows_of_groups(groups: Codes) -> Iterator[NDArray[np.int64]]:
    """The rows of each group, groups in order of their codes, rows in theirs."""
    order = np.argsort(groups, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(groups[order])) + 1) if len(groups) else ()


def mean_over_groups(function: Callable[[Array, Array], float], truth: Array, score: Array, groups: Codes) -> float:
    """Mean of a metric over the groups where it is defined. Raises Undefined when it is in none."""
    found: list[float] = []
    for rows in rows_of_groups(groups):
        try:
            found.append(function(truth[rows], score[rows]))
        except Undefined:
            continue
    if not found:
        raise Undefined("the metric is defined in no group")
    return float(np.mean(found))


def pearson_by_group(truth: Array, score: Array, groups: Codes) -> float:
    """Mean correlation within eras (Ubiquant 2022, Jane Street style); a constant side counts 0."""
    return mean_over_groups(pearson, truth, score, groups)


def spearman_by_group(truth: Array, score: Array, groups: Codes) -> float:
    """Mean rank correlation within eras (Numerai, JPX style); a constant side counts 0."""
    return mean_over_groups(spearman, truth, score, groups)


def _by_score(score: Array) -> NDArray[np.int64]:
    return np.argsort(-score, kind="stable")


def ndcg_at(truth: Array, score: Array, groups: Codes, k: int | None = None, exponential: bool = True) -> float:
    """Mean over queries of discounted gain in the first k over the best possible (Järvelin and Kekäläinen 2002); gain 2^relevance - 1 or
    relevance. A query without relevant rows is left out."""

    def one(relevance: Array, by: Array) -> float:
        gain = 2.0**relevance - 1 if exponential else relevance
        length = len(gain) if k is None else min(k, len(gain))
        discount = 1 / np.log2(np.arange(2, length + 2))
        best = float(np.sum(np.sort(gain)[::-1][:length] * discount))
        if best <= 0:
            raise Undefined("the query has no relevant row")
        return float(np.sum(gain[_by_score(by)][:length] * discount)) / best

    return mean_over_groups(one, truth, score, groups)


def map_at(truth: Array, score: Array, groups: Codes, k: int) -> float:
    """Mean over queries of average precision in the first k, over the smaller of k and the relevant rows; 0 where none is relevant."""

    def one(relevance: Array, by: Array) -> float:
        hits = (relevance[_by_score(by)][:k] > 0).astype(np.float64)
        relevant = int(np.sum(relevance > 0))
        precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        return float(np.sum(precision * hits)) / min(k, relevant) if relevant else 0.0

    return mean_over_groups(one, truth, score, groups)


def recall_at(truth: Array, score: Array, groups: Codes, k: int) -> float:
    """Mean over queries of relevant rows in the first k, over the smaller of k and the relevant rows (OTTO 2022)."""

    def one(relevance: Array, by: Array) -> float:
        relevant = int(np.sum(relevance > 0))
        if relevant == 0:
            raise Undefined("the query has no relevant row")
        return float(np.sum(relevance[_by_score(by)][:k] > 0)) / min(k, relevant)

    return mean_over_groups(one, truth, score, groups)


def mrr(truth: Array, score: Array, groups: Codes) -> float:
    """Mean over queries of one over the place of the first relevant row; 0 where none is."""

    def one(relevance: Array, by: Array) -> float:
        places = np.flatnonzero(relevance[_by_score(by)] > 0)
        return 1 / (int(places[0]) + 1) if len(places) else 0.0

    return mean_over_groups(one, truth, score, groups)


POWER = -5.0


def power_mean(values: Array, power: float = POWER) -> float:
    """Generalised mean."""
    return float(np.mean(values**power) ** (1 / power))


def bias_auc(truth: Codes, score: Array, subgroups: NDArray[np.bool_], power: float = POWER) -> float:
    """Jigsaw 2019: a quarter each of the overall AUC and of the power means of subgroup, BPSN and BNSP AUC.

    `subgroups`: (n, identities). BPSN: negatives of the subgroup with positives of the background; BNSP: the other way round.
    """
    positive = truth == 1
    parts: list[Array] = []
    for choose in (
        lambda inside: inside,
        lambda inside: (inside & ~positive) | (~inside & positive),
        lambda inside: (inside & positive) | (~inside & ~positive),
    ):
        rows = [choose(subgroups[:, i]) for i in range(subgroups.shape[1])]
        parts.append(np.array([auc(truth[r], score[r]) for r in rows]))
    return 0.25 * (auc(truth, score) + sum(power_mean(part, power) for part in parts))


def concordance(time: Array, event: Codes, score: Array) -> float:
    """Share of comparable pairs where the longer survival has the higher score, ties half (Harrell's C; ties as in lifelines).

    Comparable: the earlier time ended by an event; at the same time, exactly one did, and that one counts as the earlier.
    O(n log² n), by merging blocks of rows that are ordered in time.
    """
    moment = 2 * np.unique(time, return_inverse=True)[1] + (event == 0)
    order = np.lexsort((score, moment))
    moment, is_event = moment[order], event[order] == 1
    ranks = np.unique(score[order], return_inverse=True)[1].astype(np.int64)
    won = _count_won(ranks, is_event)
    pairs = float(np.sum(len(order) - 1 - np.flatnonzero(is_event)))
    # Events of one moment are not comparable. Ordered by score, the later of two has the higher one, or they are equal.
    together = np.unique(moment[is_event], return_counts=True)[1]
    alike = np.unique(moment[is_event] * (int(ranks.max(initial=0)) + 1) + ranks[is_event], return_counts=True)[1]
    pairs -= float(np.sum(together * (together - 1) // 2))
    won -= float(np.sum(together * (together - 1) // 2)) - 0.5 * float(np.sum(alike * (alike - 1) // 2))
    if pairs == 0:
        raise Undefined("no two rows can be compared")
    return won / pairs


def _count_won(ranks: Codes, counts: NDArray[np.bool_]) -> float:
    """Pairs i < j with `counts[i]` and `ranks[j]` above `ranks[i]`; equal ones half."""
    place, span = np.arange(len(ranks)), int(ranks.max(initial=0)) + 1
    won, width = 0.0, 1
    while width < len(ranks):
        block = place // (2 * width)
        is_left = place // width % 2 == 0
        keys = np.sort(block[~is_left] * span + ranks[~is_left])
        own = block[is_left & counts] * span + ranks[is_left & counts]
        ends = np.searchsorted(keys, (block[is_left & counts] + 1) * span, "left")
        above, equal = np.searchsorted(keys, own, "right"), np.searchsorted(keys, own, "left")
        won += float(np.sum(ends - above) + 0.5 * np.sum(above - equal))
        width *= 2
    return won


def stratified_concordance(time: Array, event: Codes, score: Array, groups: Codes) -> float:
    """Mean of the strata's concordance less its standard deviation (CIBMTR 2024)."""
    found = np.array([concordance(time[rows], event[rows], score[rows]) for rows in rows_of_groups(groups)])
    return float(found.mean() - found.std())
