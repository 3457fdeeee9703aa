"""Metrics of masks and boxes, and the run lengths that masks come in, decoded with limits."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .errors import BadOutput
from .metrics_of_classes import Undefined

Mask = NDArray[np.bool_]
Boxes = NDArray[np.float64]

PIXELS = 1 << 28
RUNS = 1 << 22
DIGITS = 11
"""Of a number in run lengths: no image has as many pixels."""
IOU_STEPS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))


def decode_runs(text: str, height: int, width: int, by_columns: bool = True) -> Mask:
    """Mask (height, width) of "start length start length …", starts from 1, pixels counted down columns (Kaggle's usual) or along rows.

    Raises BadOutput for anything that is not sorted, apart and inside the image.
    """
    flat = np.zeros(height * width if 0 < height * width <= PIXELS else 0, dtype=bool)
    flat[decode_pixels(text, height, width)] = True
    return flat.reshape((width, height)).T if by_columns else flat.reshape((height, width))


def decode_pixels(text: str, height: int, width: int) -> NDArray[np.int64]:
    """The pixels of run lengths, by their count from 0. Raises BadOutput as `decode_runs` does."""
    if height < 1 or width < 1 or height * width > PIXELS:
        raise BadOutput(f"an image of {height} by {width} pixels is not decoded")
    words = text.split(maxsplit=2 * RUNS)
    if len(words) % 2 or len(words) > 2 * RUNS:
        raise BadOutput("run lengths come in pairs of start and length")
    try:
        numbers = np.array([int(word) if len(word) <= DIGITS else -1 for word in words], dtype=np.int64)
    except ValueError as error:
        raise BadOutput("a run length is no whole number") from error
    starts, lengths = numbers[0::2] - 1, numbers[1::2]
    ends = starts + lengths
    if len(starts) and (starts.min() < 0 or lengths.min() < 1 or ends.max() > height * width or np.any(starts[1:] < ends[:-1])):
        raise BadOutput("run lengths must be positive, in order, apart, and inside the image")
    # Each run's start less what came before it, repeated, makes one count go on over all runs.
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))


def encode_runs(mask: Mask, by_columns: bool = True) -> str:
    """The run lengths of a mask; "" for an empty one."""
    flat = np.concatenate([[False], (mask.T if by_columns else mask).ravel(), [False]])
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    return " ".join(f"{start} {end - start}" for start, end in zip(changes[0::2], changes[1::2], strict=True))


def dice(actual: Mask, predicted: Mask) -> float:
    """2 common / both; 1 where both are empty."""
    total = int(actual.sum()) + int(predicted.sum())
    return 2 * int((actual & predicted).sum()) / total if total else 1.0


def mean_dice(actual: Sequence[Mask], predicted: Sequence[Mask]) -> float:
    """Mean over images, an image without anything to find is 1 when nothing is marked, else 0 (SIIM, Airbus, Steel)."""
    return float(np.mean([dice(a, p) for a, p in zip(actual, predicted, strict=True)]))


def iou(actual: Mask, predicted: Mask) -> float:
    """Common over all; 1 where both are empty."""
    total = int((actual | predicted).sum())
    return int((actual & predicted).sum()) / total if total else 1.0


def iou_of_masks(actual: Sequence[Mask], predicted: Sequence[Mask]) -> NDArray[np.float64]:
    """(actual, predicted)."""
    return np.array([[iou(a, p) for p in predicted] for a in actual], dtype=np.float64).reshape(len(actual), len(predicted))


def iou_of_runs(actual: Sequence[str], predicted: Sequence[str], height: int, width: int) -> NDArray[np.float64]:
    """(actual, predicted), of run lengths in one image; predicted masks share no pixel. Raises BadOutput."""
    owner = np.zeros(height * width, dtype=np.int64)
    sizes = np.zeros(len(predicted))
    for place, text in enumerate(predicted):
        pixels = decode_pixels(text, height, width)
        owner[pixels], sizes[place] = place + 1, len(pixels)
    table = np.zeros((len(actual), len(predicted)))
    for place, text in enumerate(actual):
        pixels = decode_pixels(text, height, width)
        common = np.bincount(owner[pixels], minlength=len(predicted) + 1)[1:]
        table[place] = common / np.maximum(len(pixels) + sizes - common, 1)
    return table


def iou_of_boxes(actual: Boxes, predicted: Boxes) -> NDArray[np.float64]:
    """(actual, predicted); boxes (n, 4) are left, top, right, bottom."""
    low = np.maximum(actual[:, None, :2], predicted[None, :, :2])
    high = np.minimum(actual[:, None, 2:], predicted[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    sizes = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (actual, predicted)]
    total = sizes[0][:, None] + sizes[1][None, :] - common
    return np.where(total > 0, common / np.where(total > 0, total, 1), 0.0)


def match(overlaps: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    """Which predictions (columns, best first) find an object that no earlier one found, with an overlap above the threshold: each takes the
    free object that it overlaps most."""
    free = np.ones(overlaps.shape[0], dtype=bool)
    hit = np.zeros(overlaps.shape[1], dtype=bool)
    for column in range(overlaps.shape[1]):
        candidates = np.where(free, overlaps[:, column], -1.0)
        best = int(np.argmax(candidates)) if len(candidates) else -1
        if best >= 0 and candidates[best] > threshold:
            free[best], hit[column] = False, True
    return hit


def precision_over_ious(overlaps: Sequence[NDArray[np.float64]], thresholds: Sequence[float] = IOU_STEPS) -> float:
    """Mean over images and thresholds of found / (found + missed + wrong); 1 without anything on either side (Data Science Bowl 2018, Wheat)."""
    found: list[float] = []
    for table in overlaps:
        for threshold in thresholds:
            hits = int(match(table, threshold).sum())
            total = table.shape[0] + table.shape[1] - hits
            found.append(hits / total if total else 1.0)
    return float(np.mean(found))


def f_beta_over_ious(overlaps: Sequence[NDArray[np.float64]], beta: float = 2.0, thresholds: Sequence[float] = IOU_STEPS) -> float:
    """Mean over images and thresholds of F-beta by found, missed and wrong; 1 without anything on either side (Airbus 2018, beta 2)."""
    found: list[float] = []
    for table in overlaps:
        for threshold in thresholds:
            hits = int(match(table, threshold).sum())
            total = (1 + beta**2) * hits + beta**2 * (table.shape[0] - hits) + table.shape[1] - hits
            found.append((1 + beta**2) * hits / total if total else 1.0)
    return float(np.mean(found))


def average_precision_of_objects(overlaps: Sequence[NDArray[np.float64]], scores: Sequence[NDArray[np.float64]], threshold: float) -> float:
    """Area under the precision envelope over recall, all images ranked together (PASCAL VOC 2010). Columns of a table belong to its scores."""
    hits, ranks = [], []
    for table, confidence in zip(overlaps, scores, strict=True):
        order = np.argsort(-confidence, kind="stable")
        hits.append(match(table[:, order], threshold))
        ranks.append(confidence[order])
    total = sum(table.shape[0] for table in overlaps)
    if total == 0:
        raise Undefined("there is no object to find")
    order = np.argsort(-np.concatenate(ranks), kind="stable")
    found = np.cumsum(np.concatenate(hits)[order])
    precision, recall = found / np.arange(1, len(found) + 1), found / total
    envelope = np.maximum.accumulate(precision[::-1])[::-1] if len(found) else precision
    return float(np.sum(np.diff(np.concatenate([[0.0], recall])) * envelope))


def panoptic_quality(overlaps: Sequence[NDArray[np.float64]]) -> float:
    """Overlap of the matched over matched + half of the missed and the wrong; matched: above one half (Kirillov et al. 2019)."""
    parts = np.array([panoptic_parts(table) for table in overlaps]).reshape(-1, 2).sum(axis=0)
    if parts[1] == 0:
        raise Undefined("there is nothing to find, and nothing was marked")
    return float(parts[0] / parts[1])


def panoptic_parts(table: NDArray[np.float64]) -> tuple[float, float]:
    """What one image adds above and below the line of the panoptic quality."""
    pairs = table > 0.5
    matched = int(pairs.sum())
    return float(table[pairs].sum()), matched + 0.5 * (table.shape[0] + table.shape[1] - 2 * matched)
