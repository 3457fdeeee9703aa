"""Compares every metric of the grader with scikit-learn or a value worked out by hand. Run by metrics.test.ts with `python -I`."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "agent" / "python"))

import numpy as np
from kaggle_harness import baseline, decoders, metrics
from kaggle_harness.layout import TargetLayout, make_layout, measure
from kaggle_harness.metric_table import ANSWER_NEEDS, METRICS
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

UNTIED = SCORE + RNG.random(N) * 1e-4


def partial_area(truth: np.ndarray, score: np.ndarray) -> float:
    """scikit-learn's standardised partial area (McClish), taken back to the plain area."""
    standardised = reference.roc_auc_score(1 - truth, -score, max_fpr=0.2)
    least, most = 0.5 * 0.2**2, 0.2
    return least + (standardised - 0.5) / 0.5 * (most - least)


def amex_by_rows(truth: np.ndarray, score: np.ndarray) -> float:
    """Row by row, as the competition's page describes it."""

    def walk(rows: list[tuple[float, int]]) -> tuple[float, float]:
        weight = [1.0 if y else 20.0 for _, y in rows]
        limit, so_far, caught, hits, area = int(0.04 * sum(weight)), 0.0, 0, 0, 0.0
        positives = sum(y for _, y in rows)
        for (_, y), w in zip(rows, weight, strict=True):
            so_far += w
            hits += y
            caught += y if so_far <= limit else 0
            area += w * (hits / positives - so_far / sum(weight))
        return area, caught / positives

    pairs = list(zip(score.tolist(), truth.tolist(), strict=True))
    area, caught = walk(sorted(pairs, reverse=True))
    best, _ = walk(sorted(pairs, key=lambda pair: -pair[1]))
    return 0.5 * (area / best + caught)


def probabilistic_f1(truth: np.ndarray, score: np.ndarray) -> float:
    """Harmonic mean of probabilistic precision and recall."""
    hits = sum(p for p, y in zip(score, truth, strict=True) if y)
    false = sum(p for p, y in zip(score, truth, strict=True) if not y)
    precision, recall = hits / (hits + false), hits / truth.sum()
    return 2 * precision * recall / (precision + recall)


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
    "f05": (BINARY, LABELS, lambda t, p: reference.fbeta_score(t, p, beta=0.5)),
    "f2": (BINARY, LABELS, lambda t, p: reference.fbeta_score(t, p, beta=2)),
    "precision": (BINARY, LABELS, lambda t, p: reference.precision_score(t, p)),
    "recall": (BINARY, LABELS, lambda t, p: reference.recall_score(t, p)),
    "jaccard": (BINARY, LABELS, lambda t, p: reference.jaccard_score(t, p)),
    "kappa": (CLASSES, CHOSEN, lambda t, p: reference.cohen_kappa_score(t, p)),
    "kappa_linear": (CLASSES, CHOSEN, lambda t, p: reference.cohen_kappa_score(t, p, weights="linear")),
    "error_rate": (CLASSES, CHOSEN, lambda t, p: reference.zero_one_loss(t, p)),
    "partial_auc": (BINARY, SCORE, lambda t, p: partial_area(t, p)),
    "amex": (BINARY, UNTIED, lambda t, p: amex_by_rows(t, p)),
    "pf1": (BINARY, SCORE, lambda t, p: probabilistic_f1(t, p)),
    "balanced_logloss": (CLASSES, TABLE, lambda t, p: reference.log_loss(t, p, sample_weight=1 / np.bincount(t)[t])),
    "msle": (TRUTH, np.abs(VALUE), lambda t, p: reference.mean_squared_log_error(t, p)),
    "mae_mean_columns": (TRUTH, VALUE, lambda t, p: reference.mean_absolute_error(t, p)),
    "rmspe": (TRUTH, VALUE, lambda t, p: reference.root_mean_squared_error(np.ones(len(t)), p / t)),
    "log_cosh": (TRUTH, VALUE, lambda t, p: np.mean(np.log(np.cosh(t - p)))),
    "poisson_deviance": (np.round(TRUTH), np.abs(VALUE), lambda t, p: reference.mean_poisson_deviance(t, p)),
    "gamma_deviance": (TRUTH, np.abs(VALUE), lambda t, p: reference.mean_gamma_deviance(t, p)),
    "explained_variance": (TRUTH, VALUE, lambda t, p: reference.explained_variance_score(t, p)),
    "spearman_mean_columns": (TRUTH, np.round(VALUE), lambda t, p: stats.spearmanr(t, p).statistic),
    "gini": (BINARY, SCORE, lambda t, p: 2 * reference.roc_auc_score(t, p) - 1),
}


IN_PARITY = {
    "map_of_classes", "wape", "wmae", "wrmse", "wr2", "weighted_logloss", "pearson_by_group", "spearman_by_group", "ndcg_by_group",
    "map_by_group", "recall_by_group", "mrr_by_group", "f1_samples", "jaccard_samples", "haversine",
    "concordance", "stratified_concordance", "mean_pinball", "rmsse",
}  # fmt: skip
"""Those that metrics_parity.py compares."""


class MetricsAgainstReferences(unittest.TestCase):
    def test_every_metric(self) -> None:
        plain = {m for m, metric in METRICS.items() if metric.needs not in ANSWER_NEEDS}
        self.assertEqual(set(AGAINST) | IN_PARITY, plain)
        self.assertEqual(set(metrics.FUNCTIONS), plain)
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

    def test_values_worked_out_by_hand(self) -> None:
        truth, score = np.array([1, 0, 1, 0]), np.array([0.9, 0.1, 0.4, 0.5])
        self.assertAlmostEqual(metrics.pf1(truth, score), 2 * 1.3 / (1.9 + 2))
        self.assertAlmostEqual(metrics.partial_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])), 0.2)
        self.assertAlmostEqual(metrics.amex(np.array([1, 0, 0]), np.array([0.9, 0.2, 0.1])), 1.0)
        self.assertAlmostEqual(metrics.rmspe(np.array([0.0, 10.0]), np.array([5.0, 9.0])), 0.1)
        self.assertAlmostEqual(metrics.balanced_logloss(np.array([0, 0, 0, 1]), np.full(4, 0.5)), np.log(2))
        self.assertAlmostEqual(metrics.poisson_deviance(np.array([0.0, 2.0]), np.array([1.0, 2.0])), 1.0)
        self.assertRaises(metrics.Undefined, metrics.gamma_deviance, np.array([0.0, 1.0]), np.ones(2))
        self.assertRaises(metrics.Undefined, metrics.rmspe, np.zeros(3), np.ones(3))

    def test_probabilities_are_moved_to_equal_classes(self) -> None:
        layout = make_layout([{"name": "t", "type": "binary", "classes": ["0", "1"]}])
        rare = (RNG.random(4000) < 0.05).astype(np.int64)
        raw = np.clip(0.05 + 0.1 * rare + RNG.normal(0, 0.02, 4000), 0.001, 0.999)[:, None]
        half = slice(0, 2000), slice(2000, 4000)
        decoder = decoders.fit_decoder("balanced_logloss", layout, [rare[half[0]]], raw[half[0]])
        moved = decoders.apply_values(decoder, layout, raw[half[1]])
        before, after = (metrics.balanced_logloss(rare[half[1]], s[:, 0]) for s in (raw[half[1]], moved))
        self.assertLess(after, 0.7 * before)
        self.assertTrue(np.all((moved > 0) & (moved < 1)))

    def test_moving_probabilities_of_several_classes(self) -> None:
        layout = make_layout([{"name": "t", "type": "multiclass", "classes": ["0", "1", "2", "3"]}])
        skewed = TABLE * np.array([8, 1, 1, 1])
        skewed /= skewed.sum(axis=1, keepdims=True)
        moved = decoders.apply_values(decoders.fit_decoder("balanced_logloss", layout, [CLASSES], skewed), layout, skewed)
        self.assertTrue(np.allclose(moved.sum(axis=1), 1))
        self.assertLess(metrics.balanced_logloss(CLASSES, moved), 0.95 * metrics.balanced_logloss(CLASSES, skewed))

    def test_predictions_of_a_deviance_stay_above_zero(self) -> None:
        layout = make_layout([{"name": "t", "type": "regression", "classes": None}])
        for name in ("poisson_deviance", "gamma_deviance"):
            decoder = decoders.fit_decoder(name, layout, [TRUTH], VALUE[:, None])
            self.assertGreater(float(decoders.apply_values(decoder, layout, np.array([[-3.0], [0.0]])).min()), 0)

    def test_no_constant_near_the_baseline_is_better(self) -> None:
        number = make_layout([{"name": "t", "type": "regression", "classes": None}]).targets[0]
        positive = make_layout([{"name": "t", "type": "binary", "classes": ["0", "1"]}]).targets[0]
        for name in ("rmse", "msle", "mae_mean_columns", "rmspe", "poisson_deviance", "gamma_deviance"):
            self.check_constant(name, number, TRUTH, (0.9, 1.1))
        for name in ("balanced_logloss", "logloss"):
            self.check_constant(name, positive, BINARY, (0.9, 1.1))
        self.check_constant("pf1", positive, BINARY, (0.8, 0.9))

    def check_constant(self, name: str, target: TargetLayout, truth: np.ndarray, factors: tuple[float, float]) -> None:
        """The baseline's constant is at least as good as these multiples of it."""
        (chosen,) = baseline._constant(name, target, truth)
        sign = 1 if METRICS[name].direction == "maximize" else -1
        best = sign * metrics.FUNCTIONS[name](truth, np.full(N, chosen))
        for factor in factors:
            with self.subTest(name, factor=factor):
                self.assertGreaterEqual(best, sign * metrics.FUNCTIONS[name](truth, np.full(N, chosen * factor)))

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
