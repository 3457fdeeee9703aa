"""Linear models on words and character runs: logistic regression and a calibrated linear SVM, averaged; ridge for numbers."""

from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC


def text_columns():
    """Text columns; where there are none, categories are read as text."""
    return columns_of("text") or columns_of("categorical")


def joined(frame, columns):
    """All text of a row in one column: words mean the same wherever they stand."""
    return pd.Series([" . ".join(t) for t in zip(*[text_of(frame, c) for c in columns], strict=True)], index=frame.index)


def make_features(train, rows):
    """Words of each column and of all together, and the other columns as indicators and scaled numbers."""
    columns = text_columns()
    train, rows = train.copy(deep=False), rows.copy(deep=False)
    if len(columns) > 1:
        for frame in (train, rows):
            frame["all text"] = joined(frame, columns)
        columns = [*columns, "all text"]
    tables = word_matrix(train, rows, columns, 60_000, 40_000 if FAST else 120_000)
    others = other_columns(train, rows, columns)
    return [sparse.hstack([t, o], format="csr") for t, o in zip(tables, others, strict=True)]


def other_columns(train, rows, used):
    """Categories as indicators, numbers scaled, missing flagged; lightly weighted beside the words."""
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    (numbers, labels), (rows_numbers, rows_labels) = read_columns(train, rows)
    labels = labels.drop(columns=[c for c in labels if c in used])
    flags = [pd.DataFrame({c: f[c].isna().astype("float64") for c in used if c in f}) for f in (train, rows)]
    blocks = [[sparse.csr_matrix(f.to_numpy())] for f in flags]
    if numbers.shape[1]:
        scaler = StandardScaler().fit(numbers.fillna(0.0))
        for block, frame in zip(blocks, (numbers, rows_numbers), strict=True):
            block.append(sparse.csr_matrix(np.clip(scaler.transform(frame.fillna(0.0)), -3, 3) * 0.2))
    if labels.shape[1]:
        coder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2).fit(labels.fillna("").astype(str))
        for block, frame in zip(blocks, (labels, rows_labels[labels.columns]), strict=True):
            block.append(coder.transform(frame.fillna("").astype(str)) * 0.5)
    return [sparse.hstack(b, format="csr") for b in blocks]


def classify(table, y, weights, wanted, count, strength):
    """Mean of logistic regression and of a linear SVM whose margins become probabilities by a soft maximum."""
    logistic = LogisticRegression(C=strength * 5, max_iter=60 if FAST else 150, tol=1e-3, class_weight=class_weight())
    logistic.fit(table, y, weights)
    first = full_classes(logistic.classes_, logistic.predict_proba(wanted), count)
    if FAST:
        return first
    machine = LinearSVC(C=strength * 0.3, class_weight=class_weight(), random_state=ARGUMENTS.seed).fit(table, y, weights)
    margins = machine.decision_function(wanted)
    if margins.ndim == 1:
        margins = np.column_stack([-margins, margins])
    sharp = np.exp(2.0 * (margins - margins.max(axis=1, keepdims=True)))
    second = full_classes(machine.classes_, sharp / sharp.sum(axis=1, keepdims=True), count)
    return (first + second) / 2


def class_weight():
    """Even weight a class where the metric gives every class the same weight."""
    return "balanced" if METRIC in ("f1_macro", "balanced_accuracy") else None


def fit_predict(train, rows, target, y):
    """Chooses the strength on inner splits, then fits all training rows."""
    table, wanted = compact(*make_features(train, rows))
    weights = weights_of(train)
    if target["classes"] is None:
        return Ridge(alpha=PARAMS.get("alpha", 1.5), random_state=ARGUMENTS.seed).fit(table, y, weights).predict(wanted)
    count = len(target["classes"])
    strengths = PARAMS.get("strengths", [1.0] if FAST else [0.5, 2.0])
    best, best_cost = strengths[0], np.inf
    for strength in strengths if len(strengths) > 1 and seconds_left() > 0.6 * ARGUMENTS.deadline else ():
        cost = []
        for learn, check in inner_splits(train, y, target, 4)[:2]:
            given = classify(table[learn], y[learn], part_of(weights, learn), table[check], count, strength)
            lost = -np.log(np.clip(given[np.arange(len(check)), y[check]], 1e-6, 1))
            cost.append(np.average(lost, weights=part_of(weights, check)))
        if np.mean(cost) < best_cost:
            best, best_cost = strength, np.mean(cost)
    NOTES.setdefault("strength", []).append(best)
    return classify(table, y, weights, wanted, count, best)


run(fit_predict)
