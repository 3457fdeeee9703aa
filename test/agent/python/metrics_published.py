"""Metrics against examples that their authors publish, to the digits printed. Run by metrics.test.ts with `python -I`."""

import math
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "agent" / "python"))

import numpy as np
from kaggle_harness import metrics
from kaggle_harness import metrics_by_group as grouped
from kaggle_harness import metrics_of_classes as classes
from kaggle_harness import metrics_of_forecasts as forecasts
from kaggle_harness import metrics_of_lists as lists
from kaggle_harness import metrics_of_numbers as numbers
from kaggle_harness import metrics_of_texts as texts


class Published(unittest.TestCase):
    """Examples as their authors print them."""

    def printed(self, got: float, wanted: str) -> None:
        """Rounded to the digits printed, or cut to them, as documentation does before an ellipsis."""
        digits = len(wanted.split(".")[1])
        cut = math.floor(got * 10**digits + 1e-9) / 10**digits
        self.assertIn(wanted, (f"{got:.{digits}f}", f"{cut:.{digits}f}"))

    def test_ml_metrics(self):
        """Tests of the ml_metrics package, whose author worked at Kaggle."""
        r = lambda *a: list(range(*a))
        self.printed(lists.average_precision_at(r(1, 6), [6, 4, 7, 1, 2], 2), "0.25")
        self.printed(lists.average_precision_at(r(1, 6), [1, 1, 1, 1, 1], 5), "0.2")
        self.printed(lists.average_precision_at(r(1, 100), r(1, 21) + r(200, 600), 20), "1.0")
        self.printed(lists.map_of_lists([[1, 3, 4], [1, 2, 4], [1, 3]], [r(1, 6)] * 3, 3), "0.685185185185185")
        self.printed(lists.map_of_lists([r(1, 6), r(1, 6)], [[6, 4, 7, 1, 2], [1, 1, 1, 1, 1]], 5), "0.26")
        self.assertAlmostEqual(lists.map_of_lists([[1, 3], [1, 2, 3], [1, 2, 3]], [r(1, 6), [1, 1, 1], [1, 2, 1]], 3), 11.0 / 18)

    def test_scikit_learn(self):
        """Examples of the documentation of scikit-learn."""
        one = np.zeros(5, dtype=np.int64)
        relevance, far = np.array([10.0, 0, 0, 1, 5]), np.array([0.1, 0.2, 0.3, 4, 70])
        self.printed(grouped.ndcg_at(relevance, far, one, None, False), "0.69")
        near = np.array([0.05, 1.1, 1.0, 0.5, 0.0])
        self.printed(grouped.ndcg_at(relevance, near, one, None, False), "0.49")
        self.printed(grouped.ndcg_at(relevance, near, one, 4, False), "0.35")
        y = np.array([1.0, 2, 3])
        self.printed(forecasts.pinball(y, np.array([0.0, 2, 3]), 0.1), "0.03")
        self.printed(forecasts.pinball(y, np.array([1.0, 2, 4]), 0.1), "0.3")
        self.printed(forecasts.pinball(y, np.array([0.0, 2, 3]), 0.9), "0.3")
        self.printed(forecasts.pinball(y, np.array([1.0, 2, 4]), 0.9), "0.03")
        airports = [np.array([v]) for v in (-34.83333, -58.5166646, 49.0083899664, 2.53844117956)]
        self.printed(forecasts.haversine(*airports), "11099.54035582")
        self.printed(metrics.FUNCTIONS["jaccard_samples"](np.array([[0, 1, 1], [1, 1, 0]]), np.array([[1, 1, 1], [1, 0, 0]])), "0.5833")
        truth, score = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])
        self.printed(classes.auc(truth, score), "0.75")
        self.printed(classes.average_precision(truth, score), "0.83")
        self.printed(classes.logloss(np.array([1, 0, 0, 1]), np.array([0.9, 0.1, 0.2, 0.65])), "0.21616")
        self.printed(classes.brier(np.array([0, 1, 1, 0]), np.array([0.1, 0.9, 0.8, 0.3])), "0.037")
        self.printed(classes.balanced_accuracy(np.array([0, 1, 0, 0, 1, 0]), np.array([0, 1, 0, 0, 0, 1])), "0.625")
        a, b = np.array([3, -0.5, 2, 7]), np.array([2.5, 0.0, 2, 8])
        self.printed(numbers.mae(a, b), "0.5")
        self.printed(numbers.mse(a, b), "0.375")
        self.printed(numbers.rmse(a, b), "0.612")
        self.printed(numbers.medae(a, b), "0.5")
        self.printed(numbers.mape(a, b), "0.3273")
        self.printed(numbers.r2(a, b), "0.948")
        self.printed(numbers.explained_variance(a, b), "0.957")
        self.printed(numbers.msle(np.array([3, 5, 2.5, 7]), np.array([2.5, 5, 4, 8])), "0.039")
        self.printed(numbers.poisson_deviance(np.array([2.0, 0, 1, 4]), np.array([0.5, 0.5, 2.0, 2.0])), "1.4260")
        self.printed(numbers.gamma_deviance(np.array([2, 0.5, 1, 4]), np.array([0.5, 0.5, 2.0, 2.0])), "1.0568")

    def test_texts(self):
        """sacrebleu's readme (BLEU 48.53, chrF2 59.73), rouge-score's readme, and the textbook's distance."""
        predicted = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."]
        references = [
            ["The dog bit the man.", "It was not unexpected.", "The man bit him first."],
            ["The dog had bit the man.", "No one was surprised.", "The man had bitten the dog."],
        ]
        self.printed(texts.bleu(references, predicted), "48.53")
        self.printed(texts.chrf(references, predicted), "59.73")
        pair = (["The quick brown fox jumps over the lazy dog"], ["The quick brown dog jumps on the log."])
        self.printed(texts.rouge_1(*pair), "0.7058823529411765")
        self.printed(texts.rouge_l(*pair), "0.5882352941176471")
        self.assertEqual(texts.edit_distance("kitten", "sitting"), 3)
        self.assertEqual(texts.edit_distance("intention", "execution"), 5)


if __name__ == "__main__":
    unittest.main()
