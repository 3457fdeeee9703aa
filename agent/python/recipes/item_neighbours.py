"""For recommenders: the items that go with what a user had (cosine of items over users), and the items that most users had.

Written by assemble.py from parts/item_neighbours.py; change that file.
"""


# ---- the command line of the solution contract, and the task

import argparse
import json
import os
import time
from pathlib import Path

STARTED = time.monotonic()


def read_arguments():
    """The contract's command line."""
    parser = argparse.ArgumentParser()
    for name in ("train", "predict", "out", "params"):
        parser.add_argument(f"--{name}", type=Path, required=name != "params")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--deadline", type=float, default=3600.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--assets", type=Path)
    return parser.parse_args()


ARGUMENTS = read_arguments()
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = str(ARGUMENTS.threads)

TASK = json.loads((ARGUMENTS.train / "task.json").read_text(encoding="utf-8"))
PARAMS = json.loads(ARGUMENTS.params.read_text(encoding="utf-8")) if ARGUMENTS.params else {}
NOTES = {}


def seconds_left():
    """Seconds until the deadline that the harness gave."""
    return ARGUMENTS.deadline - (time.monotonic() - STARTED)


# ---- rows, targets and weights of the task, and the output file

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


# ---- the model

from scipy import sparse

SHRINK = PARAMS.get("shrink", 5.0)
RECENT = PARAMS.get("recent", 100)
POPULAR_WEIGHT = PARAMS.get("popular_weight", 0.05)
MOST_NEIGHBOURS = 200


def read_interactions(folder):
    """User, item and place in time of each interaction, of the table with both columns that has the most rows."""
    best = None
    for table in TASK["tables"]:
        path = folder / "tables" / f"{table['name']}.parquet"
        if path.exists() and USER in table["column_types"] and ITEM in table["column_types"]:
            frame = pd.read_parquet(path)
            if best is None or len(frame) > len(best):
                best = frame
    if best is None:
        return pd.DataFrame({USER: [], ITEM: [], "moment": []})
    moment = best[TIME] if TIME in best else pd.Series(0, index=best.index)
    if TASK["column_types"].get(TIME) == "datetime" or moment.dtype == object:
        moment = pd.to_datetime(moment, errors="coerce", utc=True, format="mixed").astype("int64")
    return pd.DataFrame({USER: best[USER], ITEM: best[ITEM].astype(str), "moment": moment})


def item_matrix(history, train, target):
    """(users, items) of what is known of the users to learn from, what is to be answered of them included; and the items' index."""
    labels = [(user, item) for user, cell in zip(train[USER], train[target].fillna("").astype(str), strict=True) for item in cell.split()]
    known = pd.concat([history[[USER, ITEM]], pd.DataFrame(labels, columns=[USER, ITEM])], ignore_index=True).drop_duplicates()
    users, _ = pd.factorize(known[USER])
    items, names = pd.factorize(known[ITEM])
    return sparse.csr_matrix((np.ones(len(known)), (users, items)), shape=(users.max() + 1, len(names))), pd.Index(names)


def neighbours(matrix):
    """(items, items) shrunk cosine, each item's nearest ones only."""
    counts = np.asarray(matrix.sum(axis=0)).ravel()
    common = (matrix.T @ matrix).tocoo()
    keep = common.row != common.col
    rows, columns, values = common.row[keep], common.col[keep], common.data[keep]
    values = values / (np.sqrt(counts[rows] * counts[columns]) + SHRINK)
    order = np.lexsort((-values, rows))
    rows, columns, values = rows[order], columns[order], values[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows, side="left")
    near = place < MOST_NEIGHBOURS
    return sparse.csr_matrix((values[near], (rows[near], columns[near])), shape=common.shape), counts


def seen_share(history, train, target):
    """How often an answer is an item that the user had before: whether such items may be listed."""
    had = history.groupby(USER)[ITEM].agg(set)
    hits = total = 0
    for user, cell in zip(train[USER].head(5000), train[target].fillna("").astype(str).head(5000), strict=True):
        own = had.get(user, set())
        total += len(cell.split())
        hits += sum(item in own for item in cell.split())
    return hits / max(total, 1)


def main():
    """Reads, ranks the items for each user, writes."""
    train, rows = read_rows(ARGUMENTS.train, "train"), read_rows(ARGUMENTS.predict, "rows")
    target, places = TASK["targets"][0]["name"], TASK["k"] or 10
    history, own = read_interactions(ARGUMENTS.train), read_interactions(ARGUMENTS.predict)
    matrix, names = item_matrix(history, train, target)
    near, counts = neighbours(matrix)
    popular = POPULAR_WEIGHT * counts / max(counts.max(), 1)
    again = seen_share(history, train, target) > 0.05
    NOTES["lists_seen_items"] = bool(again)
    own = own.sort_values("moment", kind="stable").groupby(USER)[ITEM].agg(list)
    lists = []
    for user in rows[USER]:
        had = own.get(user, [])[-RECENT:]
        codes = names.get_indexer(had)
        weights = 0.5 + 0.5 * np.arange(1, len(had) + 1) / max(len(had), 1)
        known = codes >= 0
        scores = popular.copy()
        if known.any():
            scores += np.asarray(sparse.csr_matrix(weights[known]) @ near[codes[known]].toarray()).ravel()
        if again:
            np.add.at(scores, codes[known], 0.5 * weights[known])
        else:
            scores[codes[known]] = -1
        best = np.argsort(-scores, kind="stable")[:places]
        lists.append(" ".join(names[i] for i in best if scores[i] >= 0))
    ARGUMENTS.out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({KEY: rows[KEY].to_numpy(), target: lists}).to_csv(ARGUMENTS.out / "scores.csv", index=False)
    NOTES["seconds"] = round(time.monotonic() - STARTED, 2)
    (ARGUMENTS.out / "notes.json").write_text(json.dumps(NOTES)[:4000], encoding="utf-8")


USER, ITEM, TIME = (TASK["recommender"][name] for name in ("user_column", "item_column", "time_column"))
main()
