"""Shallow, slow XGBoost (depth 4) on target-encoded categories: strong on small tables."""

import xgboost

FEW_COLUMNS = 40


def make_features(train, rows, y, target):
    """Numbers and encoded categories; few-level categories as indicators."""
    (numbers, labels), (rows_numbers, rows_labels) = read_columns(train, rows)
    encoded = target_encodings(train, labels, rows_labels, y, target, list(labels))
    shares = frequencies(labels, rows_labels)
    texts = text_features(train, rows, y, target, columns_of("text"))
    blocks = ([numbers, encoded[0], shares[0], texts[0]], [rows_numbers, encoded[1], shares[1], texts[1]])
    frames = [pd.concat(b, axis=1) for b in blocks]
    return [f.set_axis([f"f{i}" for i in range(f.shape[1])], axis=1).astype("float32") for f in frames]


def settings(target, seed):
    """XGBoost's parameters."""
    count = 0 if target["classes"] is None else len(target["classes"])
    objective = "reg:squarederror" if count == 0 else "binary:logistic" if count == 2 else "multi:softprob"
    if count == 0 and METRIC in ("mae", "mae_mean_columns", "medae", "mape", "smape", "log_cosh"):
        objective = "reg:absoluteerror"
    chosen = {
        "objective": objective,
        "eta": PARAMS.get("learning_rate", 0.1 if FAST else 0.05),
        "max_depth": PARAMS.get("depth", 4),
        "subsample": PARAMS.get("row_share", 0.7),
        "colsample_bytree": PARAMS.get("feature_share", 0.6 if len(TASK["feature_columns"]) <= FEW_COLUMNS else 0.3),
        "min_child_weight": PARAMS.get("least_weight", 3),
        "lambda": PARAMS.get("l2", 2.0),
        "nthread": ARGUMENTS.threads,
        "seed": seed,
        "tree_method": "hist",
    }
    if count > 2:
        chosen["num_class"] = count
    return chosen


class StopInTime(xgboost.callback.TrainingCallback):
    """Ends training when less than a share of the time limit is left, but not before a first few rounds: early stopping looks at them later."""

    def __init__(self, share):
        self.share = share

    def after_iteration(self, model, epoch, evals_log):
        return epoch > 0 and epoch % 20 == 0 and seconds_left() < self.share * ARGUMENTS.deadline


def find_rounds(frame, y, train, target):
    """Median best round over inner splits of the run's own training rows, and the models of those splits.

    Where the latest rows say most there is no model to use: it did not learn from them.
    """
    small = len(frame) < 3000
    pairs = inner_splits(train, y, target, 5 if small else 8)[: (2 if FAST else 4) if small else 1]
    weights = weights_of(train)
    models = []
    for learn, check in pairs:
        learning, checking = (xgboost.DMatrix(frame.iloc[p], y[p], weight=part_of(weights, p)) for p in (learn, check))
        model = xgboost.train(
            settings(target, ARGUMENTS.seed), learning, PARAMS.get("rounds", 400 if FAST else 3000), evals=[(checking, "check")],
            early_stopping_rounds=30 if FAST else 60, verbose_eval=False, callbacks=[StopInTime(0.5)],
        )  # fmt: skip
        models.append(model[: model.best_iteration + 1])
        if seconds_left() < 0.5 * ARGUMENTS.deadline:
            break
    rounds = max(10, int(np.median([model.num_boosted_rounds() for model in models]) * 1.05))
    return rounds, [] if IS_TIMED else models


def fit_predict(train, rows, target, y):
    """Mean of the models of the inner splits, which cost nothing more, and of several seeds on all rows at the round count found."""
    frame, wanted = make_features(train, rows, y, target)
    rounds, models = find_rounds(frame, y, train, target)
    NOTES.setdefault("rounds", []).append(rounds)
    data, asked = xgboost.DMatrix(frame, y, weight=weights_of(train)), xgboost.DMatrix(wanted)
    for i in range(PARAMS.get("seeds", 2 if not FAST and len(frame) < 3000 else 1)):
        if i and seconds_left() < 0.35 * ARGUMENTS.deadline:
            break
        models.append(xgboost.train(settings(target, ARGUMENTS.seed + 1000 * i), data, rounds, callbacks=[StopInTime(0.1)]))
    NOTES["models"] = len(models)
    scores = np.mean([model.predict(asked).astype(np.float64) for model in models], axis=0)
    return np.column_stack([1 - scores, scores]) if target["classes"] is not None and scores.ndim == 1 else scores


run(fit_predict)
