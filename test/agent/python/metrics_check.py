"""Compares every metric of the grader with scikit-learn or a value worked out by hand. Run by metrics.test.ts with `python -I`."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "agent" / "python"))

import numpy as np
from kaggle_harness import decoders, metrics
from kaggle_harness.layout import make_layout, measure
from kaggle_harness.metric_table import METRICS
from scipy import stats
from sklearn import metrics as reference

RNG = np.random.default_rng(5)
N = 500
BINARY = (RNG.random(N) < 0.3).astype(np.int64)
SCORE = np.round(np.clip(BINARY * 0.3 + RNG.random(N) * 0.7, 0, 1), 2)  # with ties
LABELS = (SCORE > 0.5).astype(np.int64)
CLASSES = RNG.integers(0, 4, N)
TABLE = RNG.dirichlet(np.ones(4), N) + 0.5 * np.eye(4)[CLASSES]
TABLE /= TABLE.sum(axis=1, keepdims=True)
CHOSEN = TABLE.argmax(axis=1)
TRUTH = RNG.gamma(2.0, 10.0, N)
VALUE = TRUTH * RNG.normal(1, 0.2, N) + 1

AGAINST = {
    "accuracy": (CLASSES, CHOSEN, lambda t, p: reference.accuracy_score(t, p)),
    "balanced_accuracy": (CLASSES, CHOSEN, lambda t, p: reference.balanced_accuracy_score(t, p)),
    "f1": (BINARY, LABELS, lambda t, p: reference.f1_score(t, p)),
    "f1_macro": (CLASSES, CHOSEN, lambda t, p: reference.f1_score(t, p, average="macro")),
    "f1_micro": (CLASSES, CHOSEN, lambda t, p: reference.f1_score(t, p, average="micro")),
    "f1_weighted": (CLASSES, CHOSEN, lambda t, p: reference.f1_score(t, p, average="weighted")),
    "mcc": (CLASSES, CHOSEN, lambda t, p: reference.matthews_corrcoef(t, p)),
    "qwk": (CLASSES, CHOSEN, lambda t, p: reference.cohen_kappa_score(t, p, weights="quadratic")),
    "auc": (BINARY, SCORE, lambda t, p: reference.roc_auc_score(t, p)),
    "auc_mean_columns": (CLASSES, TABLE, lambda t, p: reference.roc_auc_score(t, p, multi_class="ovr")),
    "average_precision": (BINARY, SCORE, lambda t, p: reference.average_precision_score(t, p)),
    "logloss": (CLASSES, TABLE, lambda t, p: reference.log_loss(t, p)),
    "logloss_mean_columns": (BINARY, SCORE, lambda t, p: reference.log_loss(t, p)),
    "brier": (BINARY, SCORE, lambda t, p: reference.brier_score_loss(t, p)),
    "rmse": (TRUTH, VALUE, lambda t, p: reference.root_mean_squared_error(t, p)),
    "rmse_mean_columns": (TRUTH, VALUE, lambda t, p: reference.root_mean_squared_error(t, p)),
    "rmsle": (TRUTH, np.abs(VALUE), lambda t, p: reference.root_mean_squared_log_error(t, p)),
    "rmsle_mean_columns": (TRUTH, np.abs(VALUE), lambda t, p: reference.root_mean_squared_log_error(t, p)),
    "mse": (TRUTH, VALUE, lambda t, p: reference.mean_squared_error(t, p)),
    "mae": (TRUTH, VALUE, lambda t, p: reference.mean_absolute_error(t, p)),
    "medae": (TRUTH, VALUE, lambda t, p: reference.median_absolute_error(t, p)),
    "mape": (TRUTH, VALUE, lambda t, p: reference.mean_absolute_percentage_error(t, p)),
    "smape": (np.array([100.0, 0.0, 50.0]), np.array([110.0, 0.0, 25.0]), lambda t, p: 100 * (10 / 105 + 0 + 25 / 37.5) / 3),
    "r2": (TRUTH, VALUE, lambda t, p: reference.r2_score(t, p)),
    "pearson": (TRUTH, VALUE, lambda t, p: stats.pearsonr(t, p).statistic),
    "spearman": (TRUTH, np.round(VALUE), lambda t, p: stats.spearmanr(t, p).statistic),
    "gini": (BINARY, SCORE, lambda t, p: 2 * reference.roc_auc_score(t, p) - 1),
}


class MetricsAgainstReferences(unittest.TestCase):
    def test_every_metric(self) -> None:
        self.assertEqual(set(AGAINST), set(METRICS))
        self.assertEqual(set(metrics.FUNCTIONS), set(METRICS))
        for name, (truth, given, expected) in AGAINST.items():
            with self.subTest(name):
                self.assertAlmostEqual(metrics.FUNCTIONS[name](truth, given), expected(truth, given), places=10)

    def test_directions(self) -> None:
        for name, (truth, given, _) in AGAINST.items():
            if len(truth) < N:
                continue
            with self.subTest(name):
                bad = np.roll(given, 7, axis=0)
                better = metrics.FUNCTIONS[name](truth, given) > metrics.FUNCTIONS[name](truth, bad)
                self.assertEqual(better, METRICS[name].direction == "maximize")

    def test_undefined_and_degenerate_cases(self) -> None:
        ones = np.ones(5, dtype=np.int64)
        for function in (metrics.auc, metrics.gini):
            self.assertRaises(metrics.Undefined, function, ones, np.arange(5.0))
        self.assertEqual(metrics.f1(np.zeros(4, dtype=np.int64), np.zeros(4, dtype=np.int64)), 0.0)
        self.assertEqual(metrics.mcc(BINARY, np.zeros(N, dtype=np.int64)), 0.0)
        self.assertEqual(metrics.pearson(TRUTH, np.full(N, 3.3)), 0.0)
        self.assertAlmostEqual(metrics.auc(BINARY, np.full(N, 0.5)), 0.5)
        self.assertTrue(np.isfinite(metrics.logloss(BINARY, 1.0 - BINARY)))
        self.assertAlmostEqual(metrics.gini(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0])), 1.0)

    def test_several_targets_are_averaged(self) -> None:
        layout = make_layout([{"name": n, "type": "regression", "classes": None} for n in ("a", "b")])
        scores = np.column_stack([VALUE, TRUTH])
        self.assertAlmostEqual(measure("rmse", layout, [TRUTH, TRUTH], scores), reference.root_mean_squared_error(TRUTH, VALUE) / 2)

    def test_decoders_help_on_fresh_rows(self) -> None:
        layout = make_layout([{"name": "t", "type": "multiclass", "classes": ["0", "1", "2", "3"]}])
        half = N // 2
        grades = np.clip(np.round(CLASSES + RNG.normal(0, 0.3, N)), 0, 3)
        soft = np.exp(-((np.arange(4)[None, :] - grades[:, None]) ** 2))
        soft *= np.array([1, 0.2, 0.2, 1])
        decoder = decoders.fit_decoder("qwk", layout, [CLASSES[:half]], soft[:half])
        fitted = decoders.apply_labels(decoder, layout, soft[half:])[0]
        plain = soft[half:].argmax(axis=1)
        self.assertGreaterEqual(metrics.qwk(CLASSES[half:], fitted), metrics.qwk(CLASSES[half:], plain))
        self.assertTrue(set(fitted) <= {0, 1, 2, 3})


if __name__ == "__main__":
    unittest.main()
