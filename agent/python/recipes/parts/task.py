"""Part: rows, targets and weights of the task, and the output file."""

import sys

import numpy as np
import pandas as pd

KEY = TASK["key_column"]
METRIC = TASK["metric"]["id"]
FAST = PARAMS.get("effort", TASK["effort"]) == "fast"


def read_rows(folder, name):
    """Parquet where present, else CSV with the types of the task."""
    parquet = folder / f"{name}.parquet"
    if parquet.exists():
        return pd.read_parquet(parquet)
    return pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=[""])


def columns_of(*kinds):
    """Feature columns of the given types."""
    return [c for c in TASK["feature_columns"] if TASK["column_types"].get(c) in kinds]


def read_target(train, target):
    """Codes 0 … classes − 1 in the task's order, or floats."""
    if target["type"] == "survival":
        return read_survival(train, target)
    values = train[target["name"]]
    if target["classes"] is None:
        return values.to_numpy(dtype=np.float64)
    codes = {label: code for code, label in enumerate(target["classes"])}
    return values.astype(str).map(codes).to_numpy(dtype=np.int64)


def weights_of(train):
    """How much the metric counts each training row, 1 on average; None where all count alike."""
    column = TASK.get("weight_column")
    if column is None or column not in train:
        return None
    weights = train[column].to_numpy(dtype=np.float64)
    return weights / weights.mean() if weights.sum() > 0 else None


def part_of(weights, rows):
    """The weights of some rows."""
    return None if weights is None else weights[rows]


def read_survival(train, target):
    """A number that says how early the event came for how long the row was watched: its martingale residual under one hazard for
    all (event − cumulative hazard until its time; Therneau, Grambsch and Fleming 1990), with the sign that scores are to have."""
    times = train[target["duration_column"]].to_numpy(dtype=np.float64)
    events = train[target["event_column"]].to_numpy(dtype=np.float64)
    moments, place = np.unique(times, return_inverse=True)
    ended = np.bincount(place, weights=events, minlength=len(moments))
    left = len(times) - np.concatenate([[0], np.cumsum(np.bincount(place, minlength=len(moments)))[:-1]])
    residuals = events - np.cumsum(ended / left)[place]
    return residuals if target["score_means"] == "risk" else -residuals


def target_space(target, y):
    """Functions to and from the space a number is learned in: logarithms for skewed positive targets and relative metrics."""
    relative = METRIC in ("rmsle", "rmsle_mean_columns", "msle", "mape", "smape", "rmspe")
    if target["classes"] is not None or y.min() < 0:
        return (lambda v: v), (lambda v: v)
    centred = y - y.mean()
    skew = float(np.mean(centred**3) / max(np.std(y) ** 3, 1e-12))
    if relative or (
        skew > 1.0 and y.min() >= 0 and METRIC in ("rmse", "mae", "r2", "spearman", "pearson") and PARAMS.get("log_target", False)
    ):
        return np.log1p, (lambda v: np.expm1(np.minimum(v, 700)))
    return (lambda v: v), (lambda v: v)


def write_scores(rows, parts):
    """scores.csv: the key, then every score column in the task's order. `parts`: one (n,) or (n, classes) array a target."""
    columns = [c["name"] for c in TASK["score_columns"]]
    table = np.column_stack([p[:, None] if p.ndim == 1 else p for p in parts])
    frame = pd.DataFrame(np.nan_to_num(table, nan=0.0, posinf=1e300, neginf=-1e300), columns=columns)
    frame.insert(0, KEY, rows[KEY].to_numpy())
    ARGUMENTS.out.mkdir(parents=True, exist_ok=True)
    frame.to_csv(ARGUMENTS.out / "scores.csv", index=False)
    NOTES["seconds"] = round(time.monotonic() - STARTED, 2)
    (ARGUMENTS.out / "notes.json").write_text(json.dumps(NOTES)[:4000], encoding="utf-8")


def positive_only(scores):
    """The positive class's column of a two-class table."""
    return scores[:, 1] if scores.ndim == 2 and scores.shape[1] == 2 else scores


def full_classes(model_classes, table, count):
    """A table with a column for every class of the task: classes that were not seen get 0."""
    if len(model_classes) == count:
        return table
    out = np.zeros((len(table), count))
    out[:, np.asarray(model_classes, dtype=int)] = table
    return out


def spread_quantiles(fit_predict, train, rows, target, y):
    """Quantiles of a program that gives one number a row: that number, and the quantiles of what an inner split's answers missed."""
    learn, check = inner_splits(train, y, target, 4)[0]
    parts = [train.iloc[part].reset_index(drop=True) for part in (learn, check)]
    missed = y[check] - fit_predict(*parts, target, y[learn])
    return fit_predict(train, rows, target, y)[:, None] + np.quantile(missed, target["quantiles"])[None, :]


def read_frames():
    """The rows to learn from and to answer, with what tables and files beside say of them."""
    train, rows = add_tables(read_rows(ARGUMENTS.train, "train"), read_rows(ARGUMENTS.predict, "rows"))
    return add_media(train, rows)


def run(fit_predict, fit_quantiles=None):
    """Reads, lets `fit_predict(train, rows, target, y)` answer each target, writes. `fit_quantiles`: gives a column a level by itself."""
    train, rows = read_frames()
    parts = []
    for target in TASK["targets"]:
        y = read_target(train, target)
        into, back = target_space(target, y)
        if not columns_of("numeric", "boolean", "categorical", "datetime", "text"):
            parts.append(answer_alike(len(rows), target, y))
            continue
        if target["type"] == "quantile":
            scores = (fit_quantiles or spread_quantiles)(fit_predict, train, rows, target, y)
        else:
            scores = fit_predict(train, rows, target, into(y) if target["classes"] is None else y)
            scores = back(scores) if target["classes"] is None else positive_only(scores)
        if target["classes"] is None:
            scores = np.clip(scores, y.min() - 0.5 * np.ptp(y), y.max() + 0.5 * np.ptp(y))
        parts.append(scores)
    write_scores(rows, parts)
    print(f"done in {NOTES['seconds']} s", file=sys.stderr)


def answer_alike(count, target, y):
    """For rows that nothing is known of: what the training rows have on average."""
    if target["type"] == "quantile":
        return np.tile(np.quantile(y, target["quantiles"]), (count, 1))
    if target["classes"] is None:
        return np.full(count, y.mean())
    shares = np.bincount(y, minlength=len(target["classes"])) / len(y)
    return positive_only(np.tile(shares, (count, 1)))


def write_answers(answer):
    """Reads, lets `answer(train, rows, target)` give each target a text a row, writes."""
    train, rows = read_frames()
    frame = pd.DataFrame({KEY: rows[KEY].to_numpy()})
    for target in TASK["targets"]:
        frame[target["name"]] = answer(train, rows, target)
    ARGUMENTS.out.mkdir(parents=True, exist_ok=True)
    frame.to_csv(ARGUMENTS.out / "scores.csv", index=False)
    NOTES["seconds"] = round(time.monotonic() - STARTED, 2)
    (ARGUMENTS.out / "notes.json").write_text(json.dumps(NOTES)[:4000], encoding="utf-8")
