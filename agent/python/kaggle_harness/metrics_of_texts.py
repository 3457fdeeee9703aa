"""Metrics of texts: distances between strings, and overlaps with references."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from .metrics_of_classes import Undefined


def edit_distance(left: Sequence[object], right: Sequence[object]) -> int:
    """Levenshtein distance of strings or of lists of words."""
    from rapidfuzz.distance import Levenshtein

    return int(Levenshtein.distance(left, right))


def mean_edit_distance(actual: list[str], predicted: list[str]) -> float:
    """Mean Levenshtein distance (Bristol-Myers Squibb 2021)."""
    return float(np.mean([edit_distance(a, p) for a, p in zip(actual, predicted, strict=True)]))


def normalised_edit_similarity(actual: list[str], predicted: list[str]) -> float:
    """(characters - distances) / characters, over all rows (ASL fingerspelling 2023)."""
    return 1 - cer(actual, predicted)


def cer(actual: list[str], predicted: list[str]) -> float:
    """Character error rate: distances over the characters of the truth, over all rows."""
    return _error_rate([list(a) for a in actual], [list(p) for p in predicted])


def wer(actual: list[str], predicted: list[str]) -> float:
    """Word error rate: distances over the words of the truth, over all rows."""
    return _error_rate([a.split() for a in actual], [p.split() for p in predicted])


def _error_rate(actual: list[list[str]], predicted: list[list[str]]) -> float:
    total = sum(len(a) for a in actual)
    if total == 0:
        raise Undefined("the true texts are empty")
    return sum(edit_distance(a, p) for a, p in zip(actual, predicted, strict=True)) / total


def bleu(references: list[list[str]], predicted: list[str]) -> float:
    """Corpus BLEU as sacrebleu computes it (13a tokens, four-grams), 0 to 100. `references`: one or more lists, each as long as `predicted`."""
    from sacrebleu import corpus_bleu

    return float(corpus_bleu(predicted, references).score)


def chrf(references: list[list[str]], predicted: list[str]) -> float:
    """Corpus chrF2 as sacrebleu computes it (character six-grams, beta 2), 0 to 100. `references` as for bleu."""
    from sacrebleu import corpus_chrf

    return float(corpus_chrf(predicted, references).score)


def _tokens(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def rouge_n(actual: list[str], predicted: list[str], n: int) -> float:
    """Mean F1 of common n-grams (Lin 2004); lower-case words of letters and digits, no stemming."""
    found: list[float] = []
    for a, p in zip(actual, predicted, strict=True):
        left, right = (Counter(zip(*(words[i:] for i in range(n)), strict=False)) for words in (_tokens(a), _tokens(p)))
        found.append(_f1(sum((left & right).values()), sum(left.values()), sum(right.values())))
    return float(np.mean(found))


def rouge_1(actual: list[str], predicted: list[str]) -> float:
    """rouge_n of single words."""
    return rouge_n(actual, predicted, 1)


def rouge_2(actual: list[str], predicted: list[str]) -> float:
    """rouge_n of pairs of words."""
    return rouge_n(actual, predicted, 2)


def rouge_l(actual: list[str], predicted: list[str]) -> float:
    """Mean F1 of the longest common subsequence of words (Lin 2004)."""
    from rapidfuzz.distance import LCSseq

    pairs = [(_tokens(a), _tokens(p)) for a, p in zip(actual, predicted, strict=True)]
    return float(np.mean([_f1(int(LCSseq.similarity(a, p)), len(a), len(p)) for a, p in pairs]))


def _f1(common: int, left: int, right: int) -> float:
    return 2 * common / (left + right) if common else 0.0
