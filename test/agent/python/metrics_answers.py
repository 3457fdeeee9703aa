"""Metrics of answers that are texts, as they are added up over rows, against functions of whole columns and counted pixels.

Run by metrics.test.ts with `python -I`.
"""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "agent" / "python"))

import numpy as np
from kaggle_harness import metrics_of_images as images
from kaggle_harness import metrics_of_lists as lists
from kaggle_harness import metrics_of_texts as texts
from kaggle_harness.answers import AnswerPool, BoxForm
from kaggle_harness.metric_table import ANSWER_NEEDS, METRICS
from kaggle_harness.metrics_of_answers import OF_MASKS, measure_answers

RNG = np.random.default_rng(23)
WORDS = ["the", "cat", "sat", "on", "a", "mat", "dog", "ran", "far", "away"]
TEXTS = [" ".join(RNG.choice(WORDS, RNG.integers(4, 12))) for _ in range(60)]
GUESSES = [" ".join(w for w in t.split() if RNG.random() < 0.8) + " " + RNG.choice(WORDS) for t in TEXTS]


def random_boxes(has_class: bool) -> list[tuple]:
    """(class, confidence, left, top, right, bottom), whole numbers from 0 to 20."""
    made = []
    for _ in range(RNG.integers(0, 4)):
        left, top = RNG.integers(0, 12, 2)
        made.append((str(RNG.integers(0, 2)) if has_class else "", round(float(RNG.random()), 6), left, top, left + RNG.integers(3, 8), top + 6))
    return made


def write_box(box: tuple, layout: str, has_class: bool) -> str:
    name, sure, left, top, right, bottom = box
    numbers = (left, top, right, bottom) if layout == "corners" else (left, top, right - left, bottom - top)
    return " ".join(str(v) for v in ((name,) if has_class else ()) + (sure, *numbers))


def pixels_in_common(a: tuple, b: tuple) -> float:
    one, other = (np.zeros((30, 30), dtype=bool) for _ in range(2))
    for mask, (_, _, left, top, right, bottom) in ((one, a), (other, b)):
        mask[top:bottom, left:right] = True
    return (one & other).sum() / (one | other).sum()


def split_image(labels: np.ndarray, most: int) -> list:
    return [labels == number for number in range(1, most + 1)]


def f2(table: np.ndarray, threshold: float) -> float:
    """By hits, misses and false alarms; above one half no object has two that meet it."""
    hits = int((table > threshold).any(axis=1).sum()) if table.size else 0
    missed, wrong = table.shape[0] - hits, table.shape[1] - hits
    return 5 * hits / (5 * hits + 4 * missed + wrong) if table.shape[0] + table.shape[1] else 1.0


class Answers(unittest.TestCase):
    def near(self, found: float, expected: float) -> None:
        self.assertLess(abs(found - expected), 1e-9 * max(1.0, abs(expected)))

    def test_answers_add_up(self):
        """Numbers a row, summed over any rows, come to what the functions of whole columns say."""
        pool = AnswerPool()
        lines = [" ".join(RNG.choice(list("abcdefgh"), RNG.integers(0, 6), replace=False)) for _ in range(80)]
        given = [" ".join(RNG.choice(list("abcdefgh"), RNG.integers(0, 9))) for _ in range(80)]
        split = [[line.split() for line in side] for side in (lines, given)]
        masks = [[RNG.random((5, 4)) < 0.4 * RNG.integers(0, 2) for _ in range(80)] for _ in range(2)]
        runs = [[images.encode_runs(mask) for mask in side] for side in masks]
        written = [[TEXTS[i % len(TEXTS)] for i in range(80)], [GUESSES[i * 7 % len(GUESSES)] for i in range(80)]]
        expected = {
            "map_of_lists": (lines, given, lists.map_of_lists(*split, 3)),
            "recall_of_lists": (lines, given, lists.recall_of_lists(*split, 3)),
            "ndcg_of_lists": (lines, given, lists.ndcg_of_lists(*split, 3)),
            "f1_of_sets": (lines, given, lists.f_beta_of_sets(*split)),
            "f2_of_sets": (lines, given, lists.f_beta_of_sets(*split, 2.0)),
            "jaccard_of_sets": (lines, given, lists.jaccard_of_sets(*split)),
            "dice_by_image": (*runs, images.mean_dice(*masks)),
            "mean_edit_distance": (*written, texts.mean_edit_distance(*written)),
            "normalised_edit_similarity": (*written, texts.normalised_edit_similarity(*written)),
            "cer": (*written, texts.cer(*written)),
            "wer": (*written, texts.wer(*written)),
            "bleu": (*written, texts.bleu([written[0]], written[1])),
            "chrf": (*written, texts.chrf([written[0]], written[1])),
            **{f"rouge_{n}": (*written, getattr(texts, f"rouge_{n}")(*written)) for n in ("1", "2", "l")},
        }
        asked = {m for m, metric in METRICS.items() if metric.needs in ANSWER_NEEDS}
        self.assertEqual(set(expected) | {"box_precision", *OF_MASKS}, asked)
        sizes = np.tile([5, 4], (80, 1))
        for name, (actual, predicted, value) in expected.items():
            with self.subTest(name):
                for _ in range(2):
                    self.near(measure_answers(name, pool, pool.encode(actual), pool.encode(predicted), 3, sizes), value)

    def test_masks_of_answers(self):
        """Several masks an image, against overlaps counted pixel by pixel in whole images."""
        pool, tables, lines = AnswerPool(), [], [[], []]
        for _ in range(40):
            # Every second image is answered nearly right: what overlaps by less than one half never counts.
            truth = split_image(RNG.integers(0, 5, (9, 7)), int(RNG.integers(0, 5)))
            answer = split_image(RNG.integers(0, 5, (9, 7)), int(RNG.integers(0, 5)))
            if RNG.random() < 0.5:
                answer = [mask & (RNG.random(mask.shape) < 0.9) for mask in truth]
            sides = [[mask for mask in side if mask.any()] for side in (truth, answer)]
            tables.append(np.array([[(a & p).sum() / (a | p).sum() for p in sides[1]] for a in sides[0]]).reshape(len(sides[0]), len(sides[1])))
            for line, side in zip(lines, sides, strict=True):
                line.append(";".join(images.encode_runs(mask) for mask in side))
        sizes = np.tile([9, 7], (40, 1))
        codes = [pool.encode(side) for side in lines]
        for name, value in (
            ("iou_precision", images.precision_over_ious(tables)),
            ("iou_f2", np.mean([f2(table, threshold) for table in tables for threshold in images.IOU_STEPS])),
            ("panoptic_quality", images.panoptic_quality(tables)),
        ):
            with self.subTest(name):
                self.near(measure_answers(name, pool, *codes, None, sizes), value)

    def test_boxes_of_answers(self):
        """Sizes and corners, classes apart, the surest box first: against overlaps counted in pixels."""
        for layout, has_class in (("sizes", False), ("corners", True)):
            pool, total = AnswerPool(BoxForm(layout, has_class)), []
            rows = [[random_boxes(has_class) for _ in range(30)] for _ in range(2)]
            lines = [[" ".join(write_box(box, layout, has_class) for box in row) for row in side] for side in rows]
            for actual, predicted in zip(*rows, strict=True):
                ordered = sorted(predicted, key=lambda box: -box[1])
                table = np.array([[pixels_in_common(a, p) if a[0] == p[0] else 0.0 for p in ordered] for a in actual])
                total.append(images.precision_over_ious([table.reshape(len(actual), len(ordered))]))
            found = measure_answers("box_precision", pool, pool.encode(lines[0]), pool.encode(lines[1]), None, None)
            self.near(found, np.mean(total))


if __name__ == "__main__":
    unittest.main()
