"""Answers that are texts: lists, sets, free text, run lengths. Scores hold their codes in a pool, so that they are kept as all scores are."""

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .errors import BadOutput
from .metrics_of_images import DIGITS, decode_pixels, decode_runs

Codes = NDArray[np.int64]

ANSWER_TYPES = {"list": "rank", "set": "set", "text": "string", "mask": "mask", "masks": "masks", "boxes": "box"}
"""Type of a target and what its metrics need."""
ITEMS = 10_000
MASKS = 5_000
MASK_MARK = ";"
"""Between the masks of one image."""
BOXES = 1_000
TEXT_CHARACTERS = 100_000


@dataclass(frozen=True)
class BoxForm:
    """How boxes are written, one after another: (class), confidence, four numbers: left, top and the `sizes`, or both `corners`."""

    layout: str
    has_class: bool


@dataclass(frozen=True)
class Boxes:
    """Corners (n, 4) and classes of one answer, the surest first."""

    corners: NDArray[np.float64]
    classes: list[str]


@dataclass
class AnswerPool:
    """Every answer once. `stats`: what a metric found of a pair of answers, by whatever it depends on; `boxes`: how boxes are written."""

    boxes: BoxForm = BoxForm("sizes", False)
    texts: list[str] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)
    stats: dict[tuple[object, ...], tuple[float, ...]] = field(default_factory=dict)

    def code(self, text: str) -> int:
        """The code of an answer, a new one for one that was not there."""
        if text not in self.codes:
            self.codes[text] = len(self.texts)
            self.texts.append(text)
        return self.codes[text]

    def encode(self, texts: list[str]) -> Codes:
        """Codes of many answers."""
        return np.array([self.code(text) for text in texts], dtype=np.int64)


def split_items(text: str) -> list[str]:
    """The items of a list or set: words between blanks, or between bars where there are some."""
    return [item.strip() for item in text.split("|") if item.strip()] if "|" in text else text.split()


def read_boxes(text: str, form: BoxForm) -> Boxes:
    """The boxes of an answer. Raises BadOutput."""
    words, width = text.split(), 6 if form.has_class else 5
    if len(words) % width or len(words) > width * BOXES:
        raise BadOutput(
            f"boxes come as {width} words each ({'class, ' if form.has_class else ''}confidence, four numbers), {BOXES} at most"
        )
    rows = [words[i : i + width] for i in range(0, len(words), width)]
    try:
        numbers = np.array([[float(v) for v in row[-5:]] for row in rows], dtype=np.float64).reshape(len(rows), 5)
    except ValueError as error:
        raise BadOutput("a number of a box is none") from error
    corners = numbers[:, 1:].copy()
    if form.layout == "sizes":
        corners[:, 2:] += corners[:, :2]
    if not np.isfinite(numbers).all() or np.any(corners[:, 2:] < corners[:, :2]):
        raise BadOutput("a box is not finite, or ends before it begins")
    order = np.argsort(-numbers[:, 0], kind="stable")
    return Boxes(corners[order], [rows[i][0] if form.has_class else "" for i in order])


def split_masks(text: str) -> list[str]:
    """The run lengths of each mask of an answer; empty ones are none."""
    return [mask.strip() for mask in text.split(MASK_MARK) if mask.strip()]


def merge_masks(text: str) -> str:
    """The run lengths of all pixels of an answer's masks together; what are no run lengths stays as it is."""
    words = " ".join(split_masks(text)).split()
    if len(words) % 2 or not all(word.isdecimal() and len(word) <= DIGITS for word in words):
        return text
    merged: list[list[int]] = []
    for start, length in sorted(zip(map(int, words[0::2]), map(int, words[1::2]), strict=True)):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], start + length)
        else:
            merged.append([start, start + length])
    return " ".join(f"{start} {end - start}" for start, end in merged)


def check_masks(text: str, height: int, width: int) -> None:
    """Refuses masks that are no run lengths inside the image, or that share a pixel, which competitions refuse too. Raises BadOutput."""
    masks = split_masks(text)
    if len(masks) > MASKS:
        raise BadOutput(f"an answer has {len(masks)} masks; the limit is {MASKS}")
    taken = np.zeros(height * width, dtype=bool)
    for place, mask in enumerate(masks):
        pixels = decode_pixels(mask, height, width)
        if taken[pixels].any():
            raise BadOutput(f"mask {place + 1} of {len(masks)} shares a pixel with an earlier one")
        taken[pixels] = True


def size_at(sizes: Codes | None, row: int) -> tuple[int, int] | None:
    """Height and width of a row's image, of (rows, 2); None where there are no images."""
    return None if sizes is None else (int(sizes[row, 0]), int(sizes[row, 1]))


def check_answer(needs: str, text: str, size: tuple[int, int] | None, boxes: BoxForm) -> None:
    """Refuses what no metric can read. `size`: height and width of a mask's image. Raises BadOutput."""
    if len(text) > TEXT_CHARACTERS and needs not in ("mask", "masks"):
        raise BadOutput(f"an answer has {len(text)} characters; the limit is {TEXT_CHARACTERS}")
    if needs in ("rank", "set") and len(split_items(text)) > ITEMS:
        raise BadOutput(f"an answer lists more than {ITEMS} items")
    if needs == "box":
        read_boxes(text, boxes)
    if needs in ("mask", "masks"):
        assert size is not None
        decode_runs(text, *size) if needs == "mask" else check_masks(text, *size)


_RUNS = re.compile(r"^\d+ \d+( \d+ \d+)*$")


def looks_like_runs(texts: list[str]) -> bool:
    """Whether texts are run lengths: pairs of whole numbers, starts rising."""
    if not texts or not all(_RUNS.match(text) for text in texts):
        return False
    starts = [np.array(text.split()[0::2], dtype=np.float64) for text in texts]
    return all(bool(np.all(np.diff(s) > 0)) for s in starts) and max(len(s) for s in starts) > 1


def looks_like_items(texts: list[str]) -> bool:
    """Whether texts are several items of a vocabulary that they share."""
    items = [split_items(text) for text in texts]
    words = [word for row in items for word in row]
    return sum(len(row) > 1 for row in items) >= 0.3 * len(texts) and len(set(words)) <= 0.5 * len(words)
