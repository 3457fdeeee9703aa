"""Part: text columns as sparse words and character runs, and as a few dense columns for tree models."""

from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer


def text_of(frame, column):
    """The column as plain text, missing as empty."""
    return frame[column].astype("object").fillna("").astype(str)


def word_matrix(train, rows, columns, words=60_000, characters=120_000, transductive=True, least=None):
    """TF-IDF of word 1–2 and character 2–5 runs of every column, side by side. `least`: rows that a run must be in."""
    blocks = [[], []]
    least = least or (1 if len(train) < 5000 else 2)
    for column in columns:
        texts = [text_of(train, column), text_of(rows, column)]
        for options in (
            {"analyzer": "word", "ngram_range": (1, 2), "max_features": words, "token_pattern": r"(?u)\b\w+\b"},
            {"analyzer": "char_wb", "ngram_range": (2, 5), "max_features": characters},
        ):
            if options["max_features"] == 0:
                continue
            maker = TfidfVectorizer(sublinear_tf=True, min_df=least, dtype=np.float32, **options)
            try:
                # Texts are read once: that takes longest.
                if transductive and TASK["transductive"]:
                    table = maker.fit_transform(pd.concat(texts))
                    made = table[: len(train)], table[len(train) :]
                else:
                    made = maker.fit_transform(texts[0]), maker.transform(texts[1])
            except ValueError:
                continue  # no word at all
            for block, part in zip(blocks, made, strict=True):
                block.append(part)
    if not blocks[0]:
        return [sparse.csr_matrix((len(train), 1)), sparse.csr_matrix((len(rows), 1))]
    return [sparse.hstack(b, format="csr") for b in blocks]


def compact(table, wanted, most_rows=4000):
    """The same rows in as many columns as there are training rows: inner products stay, so a linear model with a squared penalty
    learns the same scores, many times faster. Larger tables are returned as they are."""
    if table.shape[0] > most_rows or table.shape[1] <= table.shape[0]:
        return table, wanted
    products = (table @ table.T).toarray().astype(np.float64)
    values, vectors = np.linalg.eigh(products)
    keep = values > 1e-6 * values[-1]
    basis = vectors[:, keep] / np.sqrt(values[keep])
    return products @ basis, (wanted @ table.T).toarray().astype(np.float64) @ basis


def text_features(train, rows, y, target, columns, width=24):
    """For tree models: the leading directions of the words, and out-of-fold answers of a linear model on them."""
    from sklearn.decomposition import TruncatedSVD

    if not columns:
        return pd.DataFrame(index=train.index), pd.DataFrame(index=rows.index)
    least = 5 if len(train) > 5_000 else None
    words_train, words_rows = word_matrix(train, rows, columns, 20_000, 0 if FAST else 40_000, least=least)
    width = max(2, min(width, words_train.shape[1] - 1, len(train) - 1))
    svd = TruncatedSVD(width, random_state=ARGUMENTS.seed, n_iter=4).fit(words_train)
    dense = [svd.transform(words_train), svd.transform(words_rows)]
    words_train, words_rows = compact(words_train, words_rows)
    inner = np.zeros((len(train), target_tables(y, target).shape[1]))
    for learn, answer in inner_splits(train, y, target, 4):
        inner[answer] = linear_answers(words_train[learn], y[learn], words_train[answer], target)
    outer = linear_answers(words_train, y, words_rows, target)
    names = [f"text direction {i}" for i in range(width)] + [f"text answer {i}" for i in range(inner.shape[1])]
    made = [np.hstack([d, a]) for d, a in zip(dense, (inner, outer), strict=True)]
    return tuple(pd.DataFrame(m, columns=names, index=f.index) for m, f in zip(made, (train, rows), strict=True))


def linear_answers(words, y, wanted, target):
    """Scores of a plain linear model, one column a class (the positive one of two)."""
    from sklearn.linear_model import LogisticRegression, Ridge

    if target["classes"] is None:
        return Ridge(alpha=2.0, random_state=ARGUMENTS.seed).fit(words, y).predict(wanted)[:, None]
    count = len(target["classes"])
    if len(np.unique(y)) < 2:
        table = np.tile(np.eye(count)[y[0]], (wanted.shape[0], 1))
    else:
        model = LogisticRegression(C=1.0 if words.shape[0] > 5_000 else 4.0, max_iter=100, tol=1e-3).fit(words, y)
        table = full_classes(model.classes_, model.predict_proba(wanted), count)
    return table[:, 1:] if count == 2 else table[:, : min(count, 20)]
