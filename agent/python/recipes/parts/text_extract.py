"""For answers that are texts: the piece of a given text (a first sentence, cut short) that comes nearest to the answers on training rows."""

from collections import Counter

MOST_ROWS = PARAMS.get("rows", 250)
MOST_COLUMNS = 4
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(])")
_OPENING = re.compile(r"^[^.,;]{0,60}?\b(?:is|are|was|provides?|contains?|means?)\s+(?:(?:an?|the)\s+)?", re.IGNORECASE)


def source_columns(train):
    """Columns of words, those that tell the most first; categories where there is no text."""
    columns = columns_of("text") or columns_of("categorical")
    return sorted(columns, key=lambda c: -train[c].astype("object").fillna("").astype(str).str.len().mean())[:MOST_COLUMNS]


def whole(text):
    """All of it."""
    return text


def first_sentence(text):
    """Without its full stop."""
    return _SENTENCE.split(text.strip(), maxsplit=1)[0].rstrip(".")


def last_sentence(text):
    """Without its full stop."""
    return _SENTENCE.split(text.strip())[-1].rstrip(".")


def after_opening(text):
    """The first sentence after "X is a", "It provides" and the like."""
    return _OPENING.sub("", first_sentence(text), count=1)


def first_clause(text):
    """The first sentence up to its first comma, semicolon, colon or bracket."""
    return re.split(r"[,;:(]", first_sentence(text), maxsplit=1)[0].strip()


PIECES = (whole, first_sentence, last_sentence, after_opening, first_clause)


def cut(text, most):
    """Whole words, at most so many characters; None = as it is."""
    if most is None or len(text) <= most:
        return text
    return text[: most + 1].rsplit(" ", 1)[0][:most].rstrip(" ,;:(")


def runs(text):
    """How often each run of one to six characters without blanks occurs, by length."""
    letters = "".join(text.split())
    return [Counter(letters[i : i + n] for i in range(len(letters) - n + 1)) for n in range(1, 7)]


def likeness(expected, given):
    """Overlap of character runs, recall weighing twice (chrF; Popović 2015), of all rows together."""
    precisions, recalls = [], []
    for n in range(6):
        matched = sum((e[n] & g[n]).total() for e, g in zip(expected, given, strict=True))
        truth, guess = sum(e[n].total() for e in expected), sum(g[n].total() for g in given)
        if truth and guess:
            precisions.append(matched / guess)
            recalls.append(matched / truth)
    if not precisions:
        return 0.0
    precision, recall = np.mean(precisions), np.mean(recalls)
    return float(5 * precision * recall / (4 * precision + recall)) if precision + recall > 0 else 0.0


def closeness(expected, given):
    """One minus the edits over the characters of the answers, of all rows together."""
    from rapidfuzz.distance import Levenshtein

    edits = sum(Levenshtein.distance(e, g) for e, g in zip(expected, given, strict=True))
    return 1 - edits / max(1, sum(len(e) for e in expected))


def make_measure(expected):
    """A function that tells how near texts come to the answers, as the metric sees it: by edits, or by what they share."""
    if METRIC in ("cer", "wer", "mean_edit_distance", "normalised_edit_similarity"):
        return lambda given: closeness(expected, given)
    known = [runs(e) for e in expected]
    return lambda given: likeness(known, [runs(g) for g in given])


def choose_piece(train, answers):
    """(column, piece, most characters) that comes nearest on a sample of training rows."""
    sample = np.random.default_rng(ARGUMENTS.seed).permutation(len(train))[:MOST_ROWS]
    expected = [answers[i] for i in sample]
    measure = make_measure(expected)
    lengths = np.quantile([len(e) for e in expected], [0.5, 0.75, 0.9, 1.0])
    sizes = [None, *dict.fromkeys(int(v) for length in lengths for v in (length, 1.5 * length) if v >= 1)]
    best = (-np.inf, None)
    for column in source_columns(train):
        texts = text_of(train, column).to_numpy()[sample]
        for piece in PIECES:
            pieces = [piece(t) for t in texts]
            for most in sizes:
                found = measure([cut(p, most) for p in pieces])
                if found > best[0]:
                    best = (found, (column, piece, most))
            if seconds_left() < 0.4 * ARGUMENTS.deadline:
                break
    NOTES["chosen"] = None if best[1] is None else [best[1][0], best[1][1].__name__, best[1][2], round(best[0], 4)]
    return best[1]


def answer(train, rows, target):
    """One text a row. Without a column of words: the most common answer."""
    answers = text_of(train, target["name"]).to_numpy()
    chosen = choose_piece(train, answers)
    if chosen is None:
        return [Counter(answers).most_common(1)[0][0]] * len(rows)
    column, piece, most = chosen
    return [cut(piece(t), most) for t in text_of(rows, column)]


write_answers(answer)
