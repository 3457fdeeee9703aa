"""Extremely randomised trees: cheap, and wrong in other places than boosting."""

from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor


def make_features(train, rows, y, target):
    """Numbers with flags for missing values, shares, encoded targets, text."""
    (numbers, labels), (rows_numbers, rows_labels) = read_columns(train, rows)
    middle = numbers.median().fillna(0.0)
    holed = numbers.columns[numbers.isna().any()]
    flags = [f[holed].isna().astype("float64").add_suffix(" missing") for f in (numbers, rows_numbers)]
    encoded = target_encodings(train, labels, rows_labels, y, target, list(labels))
    codes = category_codes(labels, rows_labels, least=2)
    texts = text_features(train, rows, y, target, columns_of("text"))
    blocks = (
        [numbers.fillna(middle), flags[0], encoded[0], codes[0], texts[0]],
        [rows_numbers.fillna(middle), flags[1], encoded[1], codes[1], texts[1]],
    )
    return [pd.concat(b, axis=1).to_numpy(dtype=np.float32) for b in blocks]


def fit_predict(train, rows, target, y):
    """One forest a target."""
    table, wanted = make_features(train, rows, y, target)
    leaf = (1 if len(train) < 5_000 else 3) if target["classes"] is None else 2 if len(train) < 20_000 else 5
    options = {
        "n_estimators": PARAMS.get("trees", 100 if FAST else 200),
        "min_samples_leaf": PARAMS.get("leaf_rows", leaf),
        "max_features": PARAMS.get("feature_share", 0.5 if target["classes"] is None else 0.3),
        "n_jobs": ARGUMENTS.threads,
        "random_state": ARGUMENTS.seed,
    }
    if target["classes"] is None:
        return ExtraTreesRegressor(**options).fit(table, y, weights_of(train)).predict(wanted)
    model = ExtraTreesClassifier(**options).fit(table, y, weights_of(train))
    return full_classes(model.classes_, model.predict_proba(wanted), len(target["classes"]))


run(fit_predict)
