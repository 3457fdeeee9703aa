"""Gradient boosting (LightGBM; scikit-learn's histogram boosting where LightGBM cannot be loaded).

Rounds are found on inner splits of the run's own training rows, then the model is fitted again on all of them.
"""

try:
    import lightgbm
except (ImportError, OSError) as error:
    lightgbm = None
    NOTES["fallback"] = f"LightGBM cannot be loaded ({type(error).__name__}); scikit-learn's histogram boosting is used"


#: As in agent/search/recipes.ts, which tries what grows a tree a class late then.
MANY_CLASSES = 10


def make_features(train, rows, y, target):
    """Numbers, category codes, shares, encoded targets, text: two frames, and the names of the coded categories."""
    (numbers, labels), (rows_numbers, rows_labels) = read_columns(train, rows)
    codes = category_codes(labels, rows_labels, least=2)
    shares = frequencies(labels, rows_labels)
    wide = [c for c in labels if labels[c].nunique() > PARAMS.get("encode_above", 8)]
    means = target_encodings(train, labels, rows_labels, y, target, wide) if wide and PARAMS.get("target_encoding", True) else None
    texts = text_features(train, rows, y, target, columns_of("text"))
    blocks = [[numbers, codes[0], shares[0], texts[0]], [rows_numbers, codes[1], shares[1], texts[1]]]
    if means is not None:
        blocks[0].append(means[0])
        blocks[1].append(means[1])
    frames = [pd.concat(b, axis=1) for b in blocks]
    names = [f"f{i}" for i in range(frames[0].shape[1])]
    narrow = [i for i, c in enumerate(frames[0].columns) if c in labels.columns and labels[c].nunique() <= 255]
    return [f.set_axis(names, axis=1).astype("float64") for f in frames], [names[i] for i in narrow]


def settings(target, row_count, seed):
    """LightGBM's parameters by size of the data."""
    small = row_count < 3000
    count = 0 if target["classes"] is None else len(target["classes"])
    # A round grows a tree a class: smaller ones that see more columns did better on two sets, and cost less. Beyond, time decides.
    is_several = 2 < count <= MANY_CLASSES
    objective = "regression" if count == 0 else "binary" if count == 2 else "multiclass"
    if count == 0 and METRIC in ("mae", "mae_mean_columns", "medae", "mape", "smape", "log_cosh"):
        objective = "regression_l1"
    if METRIC in ("poisson_deviance", "gamma_deviance"):
        objective = METRIC.removesuffix("_deviance")
    chosen = {
        "objective": objective,
        "learning_rate": PARAMS.get("learning_rate", 0.1 if FAST else 0.03 if small else 0.04),
        "num_leaves": PARAMS.get("leaves", 8 if small else 12 if is_several else 24 if row_count < 20_000 else 48),
        "min_data_in_leaf": PARAMS.get("leaf_rows", 5 if small and count == 0 else 20),
        "feature_fraction": PARAMS.get("feature_share", 0.8 if is_several else 0.6 if FAST else 0.5),
        "bagging_fraction": PARAMS.get("row_share", 0.75),
        "bagging_freq": 1,
        "lambda_l2": PARAMS.get("l2", 3.0),
        "extra_trees": PARAMS.get("extra_trees", False),
        # Answers of a model of words, one a class, need no finer steps, and cost most; encoded categories do.
        "max_bin": PARAMS.get("bins", 63 if FAST and is_several and columns_of("text") else 255),
        "cat_smooth": 20.0,
        "cat_l2": 10.0,
        "max_cat_threshold": 16,
        "min_data_per_group": 30,
        "verbosity": -1,
        "num_threads": ARGUMENTS.threads,
        "deterministic": True,
        "force_col_wise": True,
        "seed": seed,
    }
    if count > 2:
        chosen["num_class"] = count
    return chosen


def find_rounds(frame, y, train, target, categories, chosen):
    """Median of the best rounds over inner splits, several below 3,000 rows and one above; and the models of those splits.

    Where the latest rows say most there is no model to use: it did not learn from them.
    """
    small = len(frame) < 3000
    pairs = inner_splits(train, y, target, 5 if small else 8)
    pairs = pairs[: (2 if FAST else 4) if small else 1]
    most = PARAMS.get("rounds", 400 if FAST else 3000)
    weights = weights_of(train)
    models = []
    for learn, check in pairs:
        learning = lightgbm.Dataset(
            frame.iloc[learn], y[learn], weight=part_of(weights, learn), categorical_feature=categories, free_raw_data=True
        )
        checking = lightgbm.Dataset(frame.iloc[check], y[check], weight=part_of(weights, check), reference=learning)
        patience = lightgbm.early_stopping(30 if FAST else 60, verbose=False)
        models.append(lightgbm.train(chosen, learning, most, valid_sets=[checking], callbacks=[patience, stop_in_time(0.5)]))
        if seconds_left() < 0.5 * ARGUMENTS.deadline:
            break
    best = np.median([model.best_iteration or model.current_iteration() for model in models])
    return max(10, int(best * 1.05)), [] if IS_TIMED else models


def stop_in_time(share):
    """Ends training when less than this share of the time limit is left, but not before a first few rounds."""

    def check(environment):
        if environment.iteration and environment.iteration % 20 == 0 and seconds_left() < share * ARGUMENTS.deadline:
            raise lightgbm.callback.EarlyStopException(environment.iteration, [])

    return check


def fit_predict(train, rows, target, y):
    """Mean of the models of the inner splits, which cost nothing more, and of several seeds on all rows at the round count found."""
    (frame, wanted), categories = make_features(train, rows, y, target)
    if lightgbm is None:
        return histogram_boosting(frame, wanted, target, y, weights_of(train))
    rounds, models = find_rounds(frame, y, train, target, categories, settings(target, len(frame), ARGUMENTS.seed))
    NOTES.setdefault("rounds", []).append(rounds)
    for i in range(PARAMS.get("seeds", 2 if not FAST and len(frame) < 3000 else 1)):
        if i and seconds_left() < 0.35 * ARGUMENTS.deadline:
            break
        data = lightgbm.Dataset(frame, y, weight=weights_of(train), categorical_feature=categories)
        models.append(lightgbm.train(settings(target, len(frame), ARGUMENTS.seed + 1000 * i), data, rounds, callbacks=[stop_in_time(0.1)]))
    NOTES["models"] = len(models)
    scores = np.mean([model.predict(wanted, num_threads=ARGUMENTS.threads) for model in models], axis=0)
    return np.column_stack([1 - scores, scores]) if target["classes"] is not None and scores.ndim == 1 else scores


def fit_levels(train, rows, target, y):
    """A model for each level with its own loss."""
    (frame, wanted), categories = make_features(train, rows, y, target)
    columns = []
    for level in target["quantiles"]:
        chosen = settings(target, len(frame), ARGUMENTS.seed) | {"objective": "quantile", "alpha": level}
        rounds, models = find_rounds(frame, y, train, target, categories, chosen)
        data = lightgbm.Dataset(frame, y, weight=weights_of(train), categorical_feature=categories)
        models.append(lightgbm.train(chosen, data, rounds, callbacks=[stop_in_time(0.1)]))
        columns.append(np.mean([model.predict(wanted, num_threads=ARGUMENTS.threads) for model in models], axis=0))
    return np.column_stack(columns)


def fit_quantiles(fit_predict, train, rows, target, y):
    """In a hurry, or without LightGBM, one model and the spread around it."""
    if FAST or lightgbm is None:
        return spread_quantiles(fit_predict, train, rows, target, y)
    return fit_levels(train, rows, target, y)


def histogram_boosting(frame, wanted, target, y, weights):
    """The same idea with scikit-learn alone."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    options = {"learning_rate": 0.1 if FAST else 0.05, "max_iter": 300, "early_stopping": True, "random_state": ARGUMENTS.seed}
    if target["classes"] is None:
        return HistGradientBoostingRegressor(**options).fit(frame, y, weights).predict(wanted)
    model = HistGradientBoostingClassifier(**options).fit(frame, y, weights)
    return full_classes(model.classes_, model.predict_proba(wanted), len(target["classes"]))


run(fit_predict, fit_quantiles)
