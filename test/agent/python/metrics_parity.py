"""Metrics of groups, forecasts, lists, texts and images against plain loops and other libraries.

Run by metrics.test.ts with `python -I`.
"""

import math
import sys
import unittest
from itertools import combinations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "agent" / "python"))

import numpy as np
from kaggle_harness import metrics
from kaggle_harness import metrics_by_group as grouped
from kaggle_harness import metrics_of_classes as classes
from kaggle_harness import metrics_of_forecasts as forecasts
from kaggle_harness import metrics_of_images as images
from kaggle_harness import metrics_of_lists as lists
from kaggle_harness import metrics_of_numbers as numbers
from kaggle_harness import metrics_of_texts as texts
from kaggle_harness.errors import BadOutput
from kaggle_harness.metric_table import ANSWER_NEEDS, METRICS, OTHER_METRICS
from scipy import stats
from sklearn import metrics as reference
from sklearn.metrics.pairwise import haversine_distances

RNG = np.random.default_rng(17)
N = 400
GROUPS = RNG.integers(0, 23, N)
TRUTH = RNG.normal(size=N)
SCORE = TRUTH + RNG.normal(size=N)
RELEVANCE = RNG.integers(0, 4, N).astype(float)
UNTIED = RELEVANCE + RNG.normal(size=N)
WEIGHTS = RNG.random(N)
BINARY = (RNG.random(N) < 0.4).astype(np.int64)
CHANCE = np.clip(0.5 * BINARY + 0.5 * RNG.random(N), 0, 1)
WORDS = ["the", "cat", "sat", "on", "a", "mat", "dog", "ran", "far", "away"]
TEXTS = [" ".join(RNG.choice(WORDS, RNG.integers(4, 12))) for _ in range(60)]
GUESSES = [" ".join(w for w in t.split() if RNG.random() < 0.8) + " " + RNG.choice(WORDS) for t in TEXTS]


def levenshtein(left, right) -> int:
    """The table of Wagner and Fischer."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def common_subsequence(left, right) -> int:
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


def by_hand_bleu(references: list[str], predicted: list[str]) -> float:
    """Four-grams, clipped, with the brevity penalty; for texts in which no order is without a match."""
    logs, length, wanted = 0.0, sum(len(p.split()) for p in predicted), sum(len(r.split()) for r in references)
    for n in range(1, 5):
        hits = total = 0
        for r, p in zip(references, predicted, strict=True):
            known = [tuple(r.split()[i : i + n]) for i in range(len(r.split()) - n + 1)]
            for gram in [tuple(p.split()[i : i + n]) for i in range(len(p.split()) - n + 1)]:
                total += 1
                if gram in known:
                    known.remove(gram)
                    hits += 1
        logs += math.log(hits / total) / 4
    return 100 * math.exp(logs + min(0.0, 1 - wanted / length))


def by_hand_chrf(references: list[str], predicted: list[str]) -> float:
    """Mean precision and recall of character n-grams of orders 1 to 6, without blanks; beta 2."""
    f = []
    for n in range(1, 7):
        hits = left = right = 0
        for r, p in zip(references, predicted, strict=True):
            a, b = r.replace(" ", ""), p.replace(" ", "")
            known, given = [a[i : i + n] for i in range(len(a) - n + 1)], [b[i : i + n] for i in range(len(b) - n + 1)]
            left, right = left + len(known), right + len(given)
            for gram in given:
                if gram in known:
                    known.remove(gram)
                    hits += 1
        f.append((hits / right, hits / left))
    precision, recall = (sum(part) / 6 for part in zip(*f, strict=True))
    return 100 * 5 * precision * recall / (4 * precision + recall)


def gain_by_loop(relevance, score, k, exponential) -> float:
    order = sorted(range(len(score)), key=lambda i: -score[i])[:k]
    value = lambda r: 2**r - 1 if exponential else r
    return sum(value(relevance[i]) / math.log2(place + 2) for place, i in enumerate(order))


def pairs_by_loop(time, event, score) -> float:
    """lifelines' rules, pair by pair."""
    won = count = 0.0
    for i, j in combinations(range(len(time)), 2):
        if time[i] == time[j] and event[i] == event[j]:
            continue
        first, second = (i, j) if (time[i] < time[j] or (time[i] == time[j] and event[i])) else (j, i)
        if not event[first]:
            continue
        count += 1
        won += 0.5 if score[first] == score[second] else float(score[first] < score[second])
    return won / count


class Parity(unittest.TestCase):
    """Every function against an independent computation, within 1e-9."""

    def near(self, got: float, wanted: float) -> None:
        self.assertLessEqual(abs(got - wanted), 1e-9 * max(1.0, abs(wanted)))

    def test_by_group(self):
        def mean(function):
            return np.mean([function(np.flatnonzero(GROUPS == g)) for g in np.unique(GROUPS)])

        self.near(grouped.pearson_by_group(TRUTH, SCORE, GROUPS), mean(lambda r: stats.pearsonr(TRUTH[r], SCORE[r])[0]))
        self.near(grouped.spearman_by_group(TRUTH, SCORE, GROUPS), mean(lambda r: stats.spearmanr(TRUTH[r], SCORE[r])[0]))
        self.near(
            grouped.ndcg_at(RELEVANCE, UNTIED, GROUPS, 5, exponential=False),
            mean(lambda r: reference.ndcg_score([RELEVANCE[r]], [UNTIED[r]], k=5)),
        )
        self.near(
            grouped.ndcg_at(RELEVANCE, UNTIED, GROUPS, 7),
            mean(lambda r: gain_by_loop(RELEVANCE[r], UNTIED[r], 7, True) / gain_by_loop(RELEVANCE[r], RELEVANCE[r], 7, True)),
        )
        self.near(grouped.map_at(BINARY, CHANCE, GROUPS, 10**6), mean(lambda r: reference.average_precision_score(BINARY[r], CHANCE[r])))
        ranked = lambda r, k: [int(i) for i in sorted(r, key=lambda i: -CHANCE[i])][:k]
        wanted = lambda r: [int(i) for i in r if BINARY[i]]
        self.near(grouped.map_at(BINARY, CHANCE, GROUPS, 4), mean(lambda r: lists.average_precision_at(wanted(r), ranked(r, 4), 4)))
        self.near(
            grouped.recall_at(BINARY, CHANCE, GROUPS, 6),
            mean(lambda r: len(set(ranked(r, 6)) & set(wanted(r))) / min(6, len(wanted(r)))),
        )
        self.near(grouped.mrr(BINARY, CHANCE, GROUPS), mean(lambda r: 1 / (1 + next(i for i, x in enumerate(ranked(r, N)) if BINARY[x]))))

    def test_bias_auc(self):
        inside = RNG.random((N, 3)) < 0.3
        parts = []
        for keep in (
            lambda m: m == 1,
            lambda m: (m == 1) & (BINARY == 0) | (m == 0) & (BINARY == 1),
            lambda m: (m == 1) & (BINARY == 1) | (m == 0) & (BINARY == 0),
        ):
            aucs = [reference.roc_auc_score(BINARY[keep(m)], CHANCE[keep(m)]) for m in inside.T.astype(int)]
            parts.append((sum(a**-5 for a in aucs) / 3) ** (-1 / 5))
        self.near(grouped.bias_auc(BINARY, CHANCE, inside), (reference.roc_auc_score(BINARY, CHANCE) + sum(parts)) / 4)

    def test_concordance(self):
        time, event = RNG.integers(1, 40, N).astype(float), BINARY
        score = np.round(time + RNG.normal(0, 15, N))
        self.near(grouped.concordance(time, event, score), pairs_by_loop(time, event, score))
        for size in (2, 3, 5, 17, 64, 65):
            time, event = RNG.integers(1, 6, size).astype(float), RNG.integers(0, 2, size)
            time[-1] += 9
            event[np.argmin(time)] = 1
            score = np.round(RNG.normal(0, 1, size))
            self.near(grouped.concordance(time, event, score), pairs_by_loop(time, event, score))
        time, event = RNG.integers(1, 40, N).astype(float), BINARY
        score = np.round(time + RNG.normal(0, 15, N))
        strata = [pairs_by_loop(time[GROUPS % 4 == g], event[GROUPS % 4 == g], score[GROUPS % 4 == g]) for g in range(4)]
        self.near(grouped.stratified_concordance(time, event, score, GROUPS % 4), np.mean(strata) - np.sqrt(np.var(strata)))

    def test_forecasts(self):
        self.near(forecasts.wmae(TRUTH, SCORE, WEIGHTS), reference.mean_absolute_error(TRUTH, SCORE, sample_weight=WEIGHTS))
        self.near(forecasts.wrmse(TRUTH, SCORE, WEIGHTS), reference.root_mean_squared_error(TRUTH, SCORE, sample_weight=WEIGHTS))
        errors = sum(w * (t - s) ** 2 for w, t, s in zip(WEIGHTS, TRUTH, SCORE, strict=True))
        self.near(forecasts.wr2(TRUTH, SCORE, WEIGHTS), 1 - errors / sum(w * t * t for w, t in zip(WEIGHTS, TRUTH, strict=True)))
        self.near(forecasts.wape(TRUTH, SCORE), sum(abs(TRUTH - SCORE)) / sum(abs(TRUTH)))
        for q in (0.1, 0.5, 0.9):
            self.near(forecasts.pinball(TRUTH, SCORE, q), reference.mean_pinball_loss(TRUTH, SCORE, alpha=q))
            self.near(forecasts.pinball(TRUTH, SCORE, q, WEIGHTS), reference.mean_pinball_loss(TRUTH, SCORE, alpha=q, sample_weight=WEIGHTS))
        table = np.column_stack([SCORE - 1, SCORE, SCORE + 1])
        loss = np.mean([reference.mean_pinball_loss(TRUTH, table[:, i], alpha=q) for i, q in enumerate((0.1, 0.5, 0.9))])
        self.near(forecasts.mean_pinball(TRUTH, table, [0.1, 0.5, 0.9]), loss)
        self.near(
            forecasts.weighted_logloss(BINARY, CHANCE, WEIGHTS),
            reference.log_loss(BINARY, np.clip(CHANCE, classes.EPSILON, 1 - classes.EPSILON), sample_weight=WEIGHTS),
        )
        two, score = np.column_stack([BINARY, 1 - BINARY]), np.column_stack([CHANCE, np.clip(1 - CHANCE, 0.01, 0.99)])
        rows = [[-math.log(np.clip(p if y else 1 - p, classes.EPSILON, 1)) for y, p in zip(*r, strict=True)] for r in zip(two, score, strict=True)]
        by_hand = np.mean([(2 * a + b) / 3 for a, b in rows])
        self.near(forecasts.column_weighted_logloss(two, score, np.array([2.0, 1.0])), by_hand)
        for beta in (0.5, 1.0, 2.0):
            hits = sum(c for c, y in zip(CHANCE, BINARY, strict=True) if y)
            p, r = hits / sum(CHANCE), hits / sum(BINARY)
            self.near(forecasts.pf_beta(BINARY, CHANCE, beta), (1 + beta**2) * p * r / (beta**2 * p + r))
        self.near(forecasts.pf_beta(BINARY, CHANCE, 1.0), metrics.FUNCTIONS["pf1"](BINARY, CHANCE))

    def test_series(self):
        groups = np.repeat(np.arange(4), 28)
        truth, score = RNG.poisson(5, 112).astype(float), RNG.poisson(5, 112).astype(float)
        pasts = [np.concatenate([np.zeros(g), RNG.poisson(4, 60) + 1.0]) for g in range(4)]
        weights = np.array([0.4, 0.3, 0.2, 0.1])
        each, scaled = [], []
        for g, past in enumerate(pasts):
            moving = list(past)[list(past > 0).index(True) :]
            steps = [b - a for a, b in zip(moving, moving[1:], strict=False)]
            rows = groups == g
            each.append(math.sqrt(np.mean((truth[rows] - score[rows]) ** 2) / (sum(s * s for s in steps) / len(steps))))
            loss = [reference.mean_pinball_loss(truth[rows], score[rows] + c, alpha=q) for c, q in ((-1, 0.25), (1, 0.75))]
            scaled.append(np.mean(loss) / (sum(map(abs, steps)) / len(steps)))
        self.near(forecasts.rmsse(truth, score, groups, pasts), np.mean(each))
        self.near(forecasts.rmsse(truth, score, groups, pasts, weights), sum(w * e for w, e in zip(weights, each, strict=True)))
        table = np.column_stack([score - 1, score + 1])
        got = forecasts.scaled_pinball(truth, table, [0.25, 0.75], groups, pasts, weights)
        self.near(got, sum(w * s for w, s in zip(weights, scaled, strict=True)))

    def test_distributions(self):
        members = RNG.normal(size=(50, 7))
        truth = RNG.normal(size=50)
        by_loop = np.mean(
            [np.mean([abs(x - y) for x in m]) - 0.5 * np.mean([abs(a - b) for a in m for b in m]) for m, y in zip(members, truth, strict=True)]
        )
        self.near(forecasts.crps_of_members(truth, members), by_loop)
        points = np.arange(-99, 100.0)
        cumulative = np.sort(RNG.random((50, 199)), axis=1)
        yards = RNG.integers(-5, 20, 50).astype(float)
        steps = np.mean([(c[i] - (p >= y)) ** 2 for c, y in zip(cumulative, yards, strict=True) for i, p in enumerate(points)])
        self.near(forecasts.crps_of_steps(yards, cumulative, points), steps)
        sigma = RNG.random(50) * 200
        far = truth * 900
        likelihood = np.mean(
            [-math.sqrt(2) * min(abs(f), 1000) / max(s, 70) - math.log(math.sqrt(2) * max(s, 70)) for f, s in zip(far, sigma, strict=True)]
        )
        self.near(forecasts.laplace_log_likelihood(far, np.zeros(50), sigma), likelihood)

    def test_places(self):
        lat, lon, lat2, lon2 = (RNG.uniform(-low, low, 50) for low in (80, 170, 80, 170))
        wanted = [
            haversine_distances(np.radians([[a, b]]), np.radians([[c, d]]))[0, 0] * 6371 for a, b, c, d in zip(lat, lon, lat2, lon2, strict=True)
        ]
        self.near(forecasts.haversine(lat, lon, lat2, lon2), np.mean(wanted))
        table = (np.column_stack([lat, lon]), np.column_stack([lat2, lon2]))
        self.near(metrics.FUNCTIONS["haversine"](*table), np.mean(wanted))

    def test_sets(self):
        left, right = (RNG.random((N, 5)) < 0.35).astype(int), (RNG.random((N, 5)) < 0.35).astype(int)
        self.near(metrics.FUNCTIONS["f1_samples"](left, right), reference.f1_score(left, right, average="samples", zero_division=0))
        self.near(metrics.FUNCTIONS["jaccard_samples"](left, right), reference.jaccard_score(left, right, average="samples", zero_division=0))
        kept = [i for i in range(N) if left[i].any() or right[i].any()]
        a, b = ([list(np.flatnonzero(t[i])) for i in kept] for t in (left, right))
        for beta in (0.5, 1.0, 2.0):
            wanted = reference.fbeta_score(left[kept], right[kept], beta=beta, average="samples", zero_division=0)
            self.near(lists.f_beta_of_sets(a, b, beta), wanted)
        self.near(lists.jaccard_of_sets(a, b), reference.jaccard_score(left[kept], right[kept], average="samples", zero_division=0))
        self.assertEqual(lists.f_beta_of_sets([[]], [[]]), 1.0)

    def test_lists(self):
        actual = [list(RNG.choice(30, RNG.integers(1, 8), replace=False)) for _ in range(50)]
        predicted = [list(RNG.choice(30, 12, replace=False)) for _ in range(50)]
        found = sum(len([x for x in p[:10] if x in a]) for a, p in zip(actual, predicted, strict=True))
        self.near(lists.recall_of_lists(actual, predicted, 10), found / sum(min(10, len(a)) for a in actual))
        gains = [
            reference.ndcg_score([[float(i in a) for i in range(30)]], [[12 - p.index(i) if i in p else 0 for i in range(30)]], k=12)
            for a, p in zip(actual, predicted, strict=True)
        ]
        self.near(lists.ndcg_of_lists(actual, predicted, 12), np.mean(gains))
        codes, table = RNG.integers(0, 6, 80), RNG.random((80, 6))
        ranked = [list(np.argsort(-row)) for row in table]
        self.near(lists.map_of_classes(codes, table, 3), lists.map_of_lists([[c] for c in codes], ranked, 3))
        self.assertEqual([list(row) for row in lists.first_classes(table, 3)], [r[:3] for r in ranked])
        truth = [None if RNG.random() < 0.2 else int(RNG.integers(0, 5)) for _ in range(200)]
        guess = [t if RNG.random() < 0.6 else int(RNG.integers(0, 5)) for t in truth]
        sure = RNG.random(200)
        order = [i for i in sorted(range(200), key=lambda i: -sure[i]) if guess[i] is not None]
        hits = [float(truth[i] is not None and truth[i] == guess[i]) for i in order]
        wanted = sum(sum(hits[: i + 1]) / (i + 1) * h for i, h in enumerate(hits)) / sum(t is not None for t in truth)
        self.near(lists.gap(truth, guess, sure), wanted)

    def test_texts(self):
        distances = [levenshtein(a, b) for a, b in zip(TEXTS, GUESSES, strict=True)]
        self.near(texts.mean_edit_distance(TEXTS, GUESSES), np.mean(distances))
        self.near(texts.cer(TEXTS, GUESSES), sum(distances) / sum(map(len, TEXTS)))
        self.near(texts.normalised_edit_similarity(TEXTS, GUESSES), 1 - sum(distances) / sum(map(len, TEXTS)))
        words = [levenshtein(a.split(), b.split()) for a, b in zip(TEXTS, GUESSES, strict=True)]
        self.near(texts.wer(TEXTS, GUESSES), sum(words) / sum(len(t.split()) for t in TEXTS))
        self.near(texts.bleu([TEXTS], GUESSES), by_hand_bleu(TEXTS, GUESSES))
        self.near(texts.chrf([TEXTS], GUESSES), by_hand_chrf(TEXTS, GUESSES))
        longest = [2 * common_subsequence(a.split(), b.split()) / (len(a.split()) + len(b.split())) for a, b in zip(TEXTS, GUESSES, strict=True)]
        self.near(texts.rouge_l(TEXTS, GUESSES), np.mean(longest))
        for n, function in ((1, texts.rouge_1), (2, texts.rouge_2)):
            found = []
            for a, b in zip(TEXTS, GUESSES, strict=True):
                left, right = ([tuple(w[i : i + n]) for i in range(len(w) - n + 1)] for w in (a.split(), b.split()))
                common = sum(min(left.count(g), right.count(g)) for g in set(left))
                found.append(2 * common / (len(left) + len(right)))
            self.near(function(TEXTS, GUESSES), np.mean(found))

    def test_masks(self):
        masks = [RNG.random((9, 7)) < p for p in (0.5, 0.2, 0.0, 0.9, 0.0)]
        guesses = [RNG.random((9, 7)) < p for p in (0.5, 0.2, 0.0, 0.9, 0.1)]
        dices = [1 - float(np.sum(a != b)) / (a.sum() + b.sum()) if a.any() or b.any() else 1.0 for a, b in zip(masks, guesses, strict=True)]
        self.near(images.mean_dice(masks, guesses), np.mean(dices))
        self.near(images.dice(masks[2], guesses[4]), 0.0)
        self.near(images.iou(masks[0], guesses[0]), reference.jaccard_score(masks[0].ravel(), guesses[0].ravel()))
        for mask in masks:
            for by_columns in (True, False):
                text = images.encode_runs(mask, by_columns)
                self.assertTrue(np.array_equal(images.decode_runs(text, 9, 7, by_columns), mask))

    def test_objects(self):
        tables, sure = [], []
        for _ in range(20):
            real = np.sort(RNG.random((RNG.integers(0, 5), 2, 2)), axis=1).reshape(-1, 4)
            found = np.clip(np.vstack([real + RNG.normal(0, 0.02, real.shape), np.sort(RNG.random((2, 2, 2)), axis=1).reshape(-1, 4)]), 0, 1)
            tables.append(images.iou_of_boxes(real, found))
            sure.append(RNG.random(len(found)))
        for threshold in (0.4, 0.5, 0.75):
            ranked = sorted(((s, n, c) for n, ss in enumerate(sure) for c, s in enumerate(ss)), reverse=True)
            taken, hits = set(), []
            for _, n, c in ranked:
                free = [(tables[n][r, c], r) for r in range(tables[n].shape[0]) if (n, r) not in taken]
                best = max(free, default=(0, -1), key=lambda pair: (pair[0], -pair[1]))
                hits.append(best[0] > threshold)
                if hits[-1]:
                    taken.add((n, best[1]))
            total, area, last = sum(t.shape[0] for t in tables), 0.0, 0.0
            precision = [sum(hits[: i + 1]) / (i + 1) for i in range(len(hits))]
            for i in range(len(hits)):
                recall = sum(hits[: i + 1]) / total
                area += (recall - last) * max(precision[i:])
                last = recall
            self.near(images.average_precision_of_objects(tables, sure, threshold), area)
        parts = []
        for table in tables:
            for threshold in images.IOU_STEPS:
                hits = int(((table > threshold).sum(axis=1) > 0).sum())
                total = table.shape[0] + table.shape[1] - hits
                parts.append(hits / total if total else 1.0)
        self.near(images.precision_over_ious(tables), np.mean(parts))
        matched = [v for t in tables for v in t.ravel() if v > 0.5]
        others = sum(sum(t.shape) for t in tables) - 2 * len(matched)
        self.near(images.panoptic_quality(tables), sum(matched) / (len(matched) + others / 2))

    def test_run_lengths_are_refused(self):
        for text in ("1", "0 1", "1 0", "5 3 6 2", "5 3 1 2", "60 9", "a b", "1 -1", "99999999999999999999 1", "1.5 2"):
            with self.assertRaises(BadOutput, msg=text):
                images.decode_runs(text, 9, 7)
        with self.assertRaises(BadOutput):
            images.decode_runs("1 1", 1 << 20, 1 << 20)

    def test_every_metric_has_a_function(self):
        self.assertEqual({m for m, metric in METRICS.items() if metric.needs not in ANSWER_NEEDS}, set(metrics.FUNCTIONS))
        self.assertEqual(set(OTHER_METRICS), set(metrics.OTHER_FUNCTIONS))
        self.assertGreaterEqual(len(METRICS) + len(OTHER_METRICS), 90)


if __name__ == "__main__":
    unittest.main()
