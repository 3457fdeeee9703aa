"""Metrics of answers that are texts: numbers a row that add up, and the score that their sum comes to.

Kept a row, since the same pairs are scored again and again when rows are drawn.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .answers import AnswerPool, BoxForm, read_boxes, size_at, split_items, split_masks
from .metrics_of_classes import Undefined
from .metrics_of_images import decode_runs, dice, f_beta_over_ious, iou_of_boxes, iou_of_runs, panoptic_parts, precision_over_ious
from .metrics_of_lists import average_precision_at, f_beta_of_sets, jaccard_of_sets, ndcg_of_lists
from .metrics_of_texts import edit_distance, rouge_1, rouge_2, rouge_l

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

_BETAS = {"f1_of_sets": 1.0, "f2_of_sets": 2.0}
_ROUGE = {"rouge_1": rouge_1, "rouge_2": rouge_2, "rouge_l": rouge_l}


def measure_answers(metric_id: str, pool: AnswerPool, truth: Codes, answers: Codes, k: int | None, sizes: Codes | None) -> float:
    """`truth`, `answers`: (rows,) codes in the pool; `sizes`: (rows, 2) height and width, for masks. Raises Undefined."""
    if len(truth) == 0:
        raise Undefined("there are no rows")
    rows = []
    for i, (actual, answer) in enumerate(zip(truth.tolist(), answers.tolist(), strict=True)):
        size = size_at(sizes, i)
        key = (metric_id, k, actual, answer, size)
        found = pool.stats.get(key)
        if found is None:
            pair = pool.texts[actual], pool.texts[answer]
            found = pool.stats[key] = (
                box_stats(*pair, pool.boxes) if metric_id == "box_precision" else row_stats(metric_id, *pair, k or 10, size)
            )
        rows.append(found)
    return _score(metric_id, np.array(rows, dtype=np.float64).sum(axis=0))


def row_stats(metric_id: str, actual: str, predicted: str, k: int, size: tuple[int, int] | None) -> tuple[float, ...]:
    """Numbers of one row that may be added up over rows."""
    if metric_id in ("bleu", "chrf"):
        return tuple(float(v) for v in _corpus_metric(metric_id)._extract_corpus_statistics([predicted], [[actual]])[0])
    if metric_id in ("cer", "normalised_edit_similarity"):
        return float(edit_distance(actual, predicted)), float(len(actual))
    if metric_id == "wer":
        return float(edit_distance(actual.split(), predicted.split())), float(len(actual.split()))
    if metric_id == "mean_edit_distance":
        return float(edit_distance(actual, predicted)), 1.0
    if metric_id in _ROUGE:
        return _ROUGE[metric_id]([actual], [predicted]), 1.0
    if metric_id == "dice_by_image":
        assert size is not None
        return dice(decode_runs(actual, *size), decode_runs(predicted, *size)), 1.0
    if metric_id in OF_MASKS:
        assert size is not None
        return OF_MASKS[metric_id](iou_of_runs(split_masks(actual), split_masks(predicted), *size))
    return _list_stats(metric_id, split_items(actual), split_items(predicted), k)


OF_MASKS: dict[str, Callable[[Array], tuple[float, float]]] = {
    "iou_precision": lambda table: (precision_over_ious([table]), 1.0),
    "iou_f2": lambda table: (f_beta_over_ious([table]), 1.0),
    "panoptic_quality": panoptic_parts,
}
"""Of several masks an image: what one table of overlaps adds."""


def box_stats(actual: str, predicted: str, form: BoxForm) -> tuple[float, float]:
    """Found over found, missed and wrong, mean over overlaps of .5 to .95; boxes of different classes have no overlap."""
    wanted, given = read_boxes(actual, form), read_boxes(predicted, form)
    same = np.array([[a == p for p in given.classes] for a in wanted.classes], dtype=bool).reshape(len(wanted.classes), len(given.classes))
    return precision_over_ious([iou_of_boxes(wanted.corners, given.corners) * same]), 1.0


def _list_stats(metric_id: str, wanted: list[str], given: list[str], k: int) -> tuple[float, float]:
    if metric_id in _BETAS:
        return f_beta_of_sets([wanted], [given], _BETAS[metric_id]), 1.0
    if metric_id == "jaccard_of_sets":
        return jaccard_of_sets([wanted], [given]), 1.0
    if metric_id == "map_of_lists":
        return average_precision_at(wanted, given, k), 1.0
    if metric_id == "recall_of_lists":
        return float(len(set(wanted) & set(given[:k]))), float(min(k, len(set(wanted))))
    return (ndcg_of_lists([wanted], [given], k), 1.0) if wanted else (0.0, 0.0)


def _corpus_metric(metric_id: str) -> Any:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    if metric_id not in _CORPUS:
        _CORPUS[metric_id] = BLEU() if metric_id == "bleu" else CHRF()
    return _CORPUS[metric_id]


_CORPUS: dict[str, Any] = {}


def _score(metric_id: str, sums: Array) -> float:
    if metric_id in ("bleu", "chrf"):
        return float(_corpus_metric(metric_id)._compute_score_from_stats([int(v) for v in sums]).score)
    if sums[1] == 0:
        raise Undefined("the true answers are empty")
    ratio = float(sums[0] / sums[1])
    return 1 - ratio if metric_id == "normalised_edit_similarity" else ratio
