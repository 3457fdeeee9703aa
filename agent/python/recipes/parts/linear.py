"""Linear models on scaled numbers, indicators of categories and words: ridge or logistic regression, strength chosen inside."""

from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler


def make_features(train, rows):
    """One sparse table each: numbers (scaled, missing flagged, bent to normal where skewed), indicators, words."""
    (numbers, labels), (rows_numbers, rows_labels) = read_columns(train, rows)
    blocks = [[], []]
    if numbers.shape[1]:
        middle = numbers.median().fillna(0.0)
        flags = [f.isna().to_numpy(dtype=np.float64)[:, numbers.isna().any().to_numpy()] for f in (numbers, rows_numbers)]
        filled = [f.fillna(middle).to_numpy(dtype=np.float64) for f in (numbers, rows_numbers)]
        bender = QuantileTransformer(n_quantiles=min(200, len(train)), output_distribution="normal", random_state=ARGUMENTS.seed)
        plain, bent = StandardScaler().fit(filled[0]), bender.fit(filled[0])
        for block, values, flag in zip(blocks, filled, flags, strict=True):
            block += [np.clip(plain.transform(values), -6, 6), np.clip(bent.transform(values), -3, 3), flag]
    if labels.shape[1]:
        coder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=max(2, min(10, len(train) // 500)), dtype=np.float64)
        coder.fit(labels.astype(object).fillna("(missing)").astype(str))
        for block, frame in zip(blocks, (labels, rows_labels), strict=True):
            block.append(coder.transform(frame.astype(object).fillna("(missing)").astype(str)))
    if columns_of("text"):
        words = word_matrix(train, rows, columns_of("text"), 8_000 if FAST else 20_000, 0 if FAST else 40_000)
        for block, table in zip(blocks, words, strict=True):
            block.append(table * 3.0)
    return [sparse.hstack([sparse.csr_matrix(b) for b in block], format="csr") for block in blocks]


def make_model(target, strength):
    """`strength`: smaller bends the model more to the mean."""
    if target["classes"] is None:
        return Ridge(alpha=1 / strength, solver="lsqr", random_state=ARGUMENTS.seed, tol=1e-5)
    return LogisticRegression(C=strength, max_iter=120 if FAST else 250, tol=1e-3)


def answers(model, table, target):
    """Numbers, or one probability column a class."""
    if target["classes"] is None:
        return model.predict(table)
    return full_classes(model.classes_, model.predict_proba(table), len(target["classes"]))


def loss(target, y, given, weights):
    """Squared error or log loss, to compare strengths."""
    if target["classes"] is None:
        return float(np.average((y - given) ** 2, weights=weights))
    return float(-np.average(np.log(np.clip(given[np.arange(len(y)), y], 1e-9, 1)), weights=weights))


def fit_predict(train, rows, target, y):
    """Chooses the strength on inner splits, then fits all training rows."""
    table, wanted = compact(*make_features(train, rows))
    is_large = len(train) > 5_000
    strengths = (0.003, 0.01, 0.03, 0.1) if target["classes"] is None else (0.01, 0.05, 0.3, 2.0)
    if FAST:
        # A first answer is wanted: with many classes and rows each fit takes seconds.
        strengths = (0.3,) if is_large and target["classes"] is not None else strengths[1::2]
    strengths = PARAMS.get("strengths", strengths)
    pairs = inner_splits(train, y, target, 4)[: 0 if len(strengths) == 1 else 1 if FAST or is_large else 3]
    weights = weights_of(train)
    costs = []
    for strength in strengths:
        # From strong to weak: once it gets worse, what bends less is worse still.
        if len(costs) > 1 and costs[-1] > costs[-2]:
            break
        cost = []
        for learn, check in pairs:
            if seconds_left() < 0.4 * ARGUMENTS.deadline and costs:
                break
            if len(np.unique(y[learn])) < 2:
                continue
            model = make_model(target, strength).fit(table[learn], y[learn], part_of(weights, learn))
            cost.append(loss(target, y[check], answers(model, table[check], target), part_of(weights, check)))
        costs.append(np.mean(cost) if cost else np.inf)
    best = strengths[int(np.argmin(costs))]
    NOTES.setdefault("strength", []).append(best)
    return answers(make_model(target, best).fit(table, y, weights), wanted, target)


run(fit_predict)
