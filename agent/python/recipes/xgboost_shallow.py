"""Shallow, slow XGBoost (depth 4) on target-encoded categories: strong on small tables.

Written by assemble.py from parts/xgboost_shallow.py; change that file.
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


# ---- tables beside the rows, joined by their keys: one row a key as columns, many as what they come to

MOST_TABLES = 12
MOST_COLUMNS = 40


def add_tables(train, rows):
    """Both frames with columns from the tables that join them; these are features from then on."""
    train, rows = train.copy(deep=False), rows.copy(deep=False)
    for table in [t for t in TASK["tables"] if t["key"] and not t["ends_with_train"]][:MOST_TABLES]:
        folders = {"train": ARGUMENTS.train, "predict": ARGUMENTS.predict}
        files = [folders[place] / "tables" / f"{table['name']}.parquet" for place in table["places"]]
        beside = pd.concat([pd.read_parquet(f) for f in files if f.exists()], ignore_index=True)
        names = one_key(beside, table["key"])
        made = summarize(beside, names, table) if table["relation"] == "many" else pick_columns(beside, names, table)
        for frame in (train, rows):
            own = made.reindex(one_key(frame, table["key"]))
            for name in made:
                frame[name] = own[name].to_numpy()
        for name in made:
            TASK["feature_columns"].append(name)
            TASK["column_types"][name] = made.attrs["kinds"][name]
    return train, rows


def one_key(frame, key):
    """One text a row from the columns of a key, the same for 7 and 7.0."""
    texts = [pd.to_numeric(frame[c]).map("{:.17g}".format) if frame[c].dtype.kind in "if" else frame[c].astype(str) for c in key]
    return texts[0] if len(texts) == 1 else texts[0].str.cat(texts[1:], sep="\x1f")


def others_of(beside, table, *kinds):
    """The table's columns of some types that are no key."""
    return [c for c in beside.columns if c not in table["key"] and table["column_types"].get(c) in kinds][:MOST_COLUMNS]


def pick_columns(beside, names, table):
    """One row a key: its columns as they are."""
    columns = others_of(beside, table, "numeric", "boolean", "categorical", "datetime", "text")
    made = pd.DataFrame({f"{table['name']} {c}": beside[c].to_numpy() for c in columns}, index=names)
    made = made[~made.index.duplicated()]
    made.attrs["kinds"] = {f"{table['name']} {c}": table["column_types"][c] for c in columns}
    return made


def summarize(beside, names, table):
    """Many rows a key: how many, and of numbers the mean, least, largest, spread and last, of words the most frequent and how many."""
    names = pd.Series(names.to_numpy(), name="name")
    sizes = names.groupby(names).size()
    made = {f"{table['name']} rows": sizes}
    kinds = {f"{table['name']} rows": "numeric"}
    for column in others_of(beside, table, "numeric", "boolean"):
        groups = pd.to_numeric(beside[column], errors="coerce").astype("float64").reset_index(drop=True).groupby(names)
        for how in ("mean", "min", "max", "std", "last"):
            made[f"{table['name']} {column} {how}"] = getattr(groups, how)()
            kinds[f"{table['name']} {column} {how}"] = "numeric"
    for column in others_of(beside, table, "categorical"):
        values = beside[column].reset_index(drop=True)
        made[f"{table['name']} {column} kinds"] = values.groupby(names).nunique()
        kinds[f"{table['name']} {column} kinds"] = "numeric"
        pairs = pd.DataFrame({"name": names, "value": values}).dropna().value_counts(sort=True).reset_index()
        made[f"{table['name']} {column} most"] = pairs.drop_duplicates("name").set_index("name")["value"]
        kinds[f"{table['name']} {column} most"] = "categorical"
    out = pd.DataFrame(made)
    out.attrs["kinds"] = kinds
    return out


# ---- images and sounds that rows name, as a few numbers each: a small picture, its colours, its shape; how a spectrum is and moves

SIDE = 16
DIRECTIONS = 40
HISTOGRAM = 8
BANDS = 26
CEPSTRA = 13
FRAME_S, STEP_S, MOST_S = 0.025, 0.01, 60


def add_media(train, rows):
    """Both frames with numbers for each column that names images or sounds; these are features from then on."""
    for column in TASK["media_columns"]:
        read = sound_numbers if train[column].astype(str).str.lower().str.endswith(".wav").mean() > 0.5 else image_numbers
        tables = [np.array([read(folder / "files" / str(name)) for name in frame[column]]) for folder, frame in places(train, rows)]
        if np.isnan(tables[0]).all():
            continue
        tables = [np.nan_to_num(t) for t in tables]
        if read is image_numbers:
            tables = turn_pixels(tables)
        names = [f"{column} {i}" for i in range(tables[0].shape[1])]
        train, rows = (
            pd.concat([frame, pd.DataFrame(table, columns=names, index=frame.index)], axis=1)
            for frame, table in zip((train, rows), tables, strict=True)
        )
        for name in names:
            TASK["feature_columns"].append(name)
            TASK["column_types"][name] = "numeric"
    return train, rows


def turn_pixels(tables):
    """Small pictures by the directions that hold most of what differs between the training rows; the other numbers as they are."""
    pixels = [t[:, : 3 * SIDE * SIDE] for t in tables]
    directions, middle = main_directions(pixels[0]), pixels[0].mean(axis=0)
    return [np.hstack([(own - middle) @ directions, t[:, 3 * SIDE * SIDE :]]) for own, t in zip(pixels, tables, strict=True)]


def places(train, rows):
    """The folders of the files with the frames that name them."""
    return [(ARGUMENTS.train, train), (ARGUMENTS.predict, rows)]


def main_directions(table):
    """(columns, directions) that hold most of what differs between rows."""
    from sklearn.decomposition import PCA

    count = max(1, min(DIRECTIONS, len(table) - 1, table.shape[1]))
    return PCA(count, random_state=ARGUMENTS.seed, svd_solver="randomized").fit(table).components_.T


def image_numbers(path):
    """A small colour picture, shares of levels a colour, height and width; all missing for what is no image."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            width, height = image.size
            small = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.float64) / 255
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return np.full(3 * SIDE * SIDE + 3 * HISTOGRAM + 2, np.nan)
    shares = [np.histogram(small[:, :, c], bins=HISTOGRAM, range=(0, 1))[0] / SIDE**2 for c in range(3)]
    return np.concatenate([small.ravel(), *shares, [height, width]])


def sound_numbers(path):
    """How the spectrum of a WAV file is on average, and how much it varies and moves (mel-frequency cepstra; Davis and Mermelstein 1980), how
    loud and how long it is; all missing for what cannot be read."""
    from scipy.fft import dct

    samples, rate = read_wav(path)
    if samples is None or len(samples) < 2:
        return np.full(3 * CEPSTRA + 2 * BANDS + 4, np.nan)
    width, step = max(2, round(rate * FRAME_S)), max(1, round(rate * STEP_S))
    padded = np.pad(samples, (0, max(0, width - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[::step]
    power = np.abs(np.fft.rfft(frames * np.hanning(width), axis=1)) ** 2
    bands = np.log(power @ mel_bands(power.shape[1], rate).T + 1e-10)
    cepstra = dct(bands, axis=1, norm="ortho")[:, :CEPSTRA]
    moves = np.abs(np.diff(cepstra, axis=0)).mean(axis=0) if len(cepstra) > 1 else np.zeros(CEPSTRA)
    crossings = float(np.mean(samples[:-1] * samples[1:] < 0))
    facts = [np.log(np.mean(samples**2) + 1e-10), np.log(np.max(np.abs(samples)) + 1e-10), crossings, len(samples) / rate]
    return np.concatenate([cepstra.mean(axis=0), cepstra.std(axis=0), moves, bands.mean(axis=0), bands.std(axis=0), facts])


def read_wav(path):
    """Samples from −1 to 1 of at most a minute, all channels averaged, and their rate; None for what is no plain WAV file."""
    import wave

    try:
        with wave.open(str(path)) as file:
            channels, size, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            raw = np.frombuffer(file.readframes(min(file.getnframes(), MOST_S * rate)), np.uint8)
    except (OSError, EOFError, wave.Error):
        return None, 0
    raw = raw[: len(raw) // (size * channels) * size * channels].reshape(-1, size)
    if size == 1:
        values = raw[:, 0].astype(np.float64) / 128 - 1
    else:
        unsigned = (raw[:, :-1].astype(np.int64) << (8 * np.arange(size - 1))).sum(axis=1)
        values = (unsigned + (raw[:, -1].astype(np.int8).astype(np.int64) << (8 * (size - 1)))) / 2.0 ** (8 * size - 1)
    return values.reshape(-1, channels).mean(axis=1), rate


def mel_bands(bins, rate):
    """(BANDS, bins) triangles, evenly spaced by how people hear pitch (mel scale)."""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    hertz = np.linspace(0, rate / 2, bins)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return np.clip(np.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle)), 0, None)


# ---- inner splits of the run's own training rows, cut as the harness cuts: by group, by time, or stratified

from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

#: Test rows come later than training rows, so the latest of these say most.
IS_TIMED = TASK["shape"] in ("time", "panel")


def time_order(train):
    """Seconds or numbers that order the rows in time."""
    values = train[TASK["time_column"]]
    if TASK["column_types"].get(TASK["time_column"]) == "datetime":
        return parse_dates(values).astype("int64").to_numpy()
    return values.to_numpy(dtype=np.float64)


def parse_dates(values):
    """Dates of one column; what cannot be read is missing. In one format if that reads all, so that days and months keep their places."""
    import warnings

    # Each text once: reading is slow, and dates repeat.
    codes, texts = pd.factorize(values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parsed = pd.to_datetime(texts, errors="coerce", utc=True)
    if parsed.isna().any():
        parsed = pd.to_datetime(texts, errors="coerce", utc=True, format="mixed")
    return pd.Series(parsed.take(codes, allow_fill=True, fill_value=pd.NaT), index=values.index)


def inner_splits(train, y, target, count):
    """Pairs of row numbers (learn, check). Time: one pair, the last 15 %."""
    rows = np.arange(len(train))
    if IS_TIMED and TASK["time_column"] in train:
        order = np.argsort(time_order(train), kind="stable")
        cut = int(0.85 * len(order))
        return [(order[:cut], order[cut:])]
    if TASK["shape"] == "groups" and TASK["group_column"] in train:
        groups = train[TASK["group_column"]].astype(str).to_numpy()
        count = min(count, len(np.unique(groups)))
        return list(GroupKFold(count).split(rows, y, groups))
    seed = ARGUMENTS.seed
    if target["classes"] is not None and np.bincount(y).max() >= count:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(StratifiedKFold(count, shuffle=True, random_state=seed).split(rows, y))
    return list(KFold(count, shuffle=True, random_state=seed).split(rows))


# ---- features of tables. Everything is learned on training rows; the target is used out of fold only

import re


def date_parts(frame):
    """Numbers from date columns: parts that repeat, and days since 2000."""
    out = {}
    for column in columns_of("datetime"):
        parsed = parse_dates(frame[column])
        out[f"{column} year"], out[f"{column} month"] = parsed.dt.year, parsed.dt.month
        out[f"{column} day"], out[f"{column} weekday"] = parsed.dt.day, parsed.dt.day_of_week
        hour = parsed.dt.hour
        if hour.nunique() > 1:
            out[f"{column} hour"] = hour
        out[f"{column} days"] = (parsed - pd.Timestamp("2000-01-01", tz="UTC")).dt.total_seconds() / 86400
    return pd.DataFrame(out, index=frame.index).astype("float64")


def split_composites(train, rows, categories):
    """Codes such as `B/0/P` or `0001_01` also give their parts."""
    made = []
    for column in categories:
        sample = train[column].dropna().astype(str).head(500)
        for mark in ("/", "_", "-", " "):
            counts = sample.str.count(re.escape(mark))
            if len(sample) and sample.nunique() > 20 and counts.nunique() == 1 and 1 <= counts.iloc[0] <= 4:
                for i in range(int(counts.iloc[0]) + 1):
                    name = f"{column} part {i}"
                    for frame in (train, rows):
                        frame[name] = frame[column].astype("object").str.split(mark).str.get(i)
                    made.append(name)
                break
    return made


def read_columns(train, rows):
    """Numbers (float) and categories (text or missing) of both tables: `(numbers, categories)` pairs of frames."""
    train, rows = train.copy(deep=False), rows.copy(deep=False)
    categories = columns_of("categorical")
    categories = categories + split_composites(train, rows, categories)
    numeric = columns_of("numeric", "boolean")
    made = []
    for frame in (train, rows):
        numbers = pd.DataFrame({c: pd.to_numeric(frame[c], errors="coerce") for c in numeric}, index=frame.index).astype("float64")
        texts = pd.DataFrame({f"{c} length": frame[c].astype("object").str.len() for c in columns_of("text")}, index=frame.index)
        words = pd.DataFrame({f"{c} words": frame[c].astype("object").str.count(" ") for c in columns_of("text")}, index=frame.index)
        numbers = pd.concat([numbers, date_parts(frame), texts.astype("float64"), words.astype("float64")], axis=1)
        labels = pd.DataFrame({c: frame[c].astype("object") for c in categories}, index=frame.index)
        made.append((numbers, labels))
    late = []
    for column in [c for c in made[0][1].columns if " part " in c]:
        parsed = [pd.to_numeric(m[1][column], errors="coerce") for m in made]
        if parsed[0].notna().mean() > 0.9:
            late.append(column)
            for (numbers, _), values in zip(made, parsed, strict=True):
                numbers[column] = values.astype("float64")
    return [(numbers, labels.drop(columns=late)) for numbers, labels in made]


def category_codes(train_labels, rows_labels, least=1):
    """Whole codes by falling frequency of the training rows; rare, unseen and missing values are −1."""
    out = [{}, {}]
    for column in train_labels:
        counts = train_labels[column].value_counts()
        counts = counts[counts >= least]
        codes = {value: code for code, value in enumerate(sorted(counts.index, key=lambda v: (-counts[v], str(v))))}
        for made, frame in zip(out, (train_labels, rows_labels), strict=True):
            made[column] = frame[column].map(codes).fillna(-1).astype("int32")
    return [pd.DataFrame(m, index=f.index) for m, f in zip(out, (train_labels, rows_labels), strict=True)]


def frequencies(train_labels, rows_labels, least_levels=10):
    """Share of training rows with the same value, for columns of many levels."""
    out = [{}, {}]
    for column in train_labels:
        counts = train_labels[column].value_counts(normalize=True)
        if len(counts) > least_levels:
            for made, frame in zip(out, (train_labels, rows_labels), strict=True):
                made[f"{column} share"] = frame[column].map(counts).fillna(0.0).astype("float64")
    return [pd.DataFrame(m, index=f.index) for m, f in zip(out, (train_labels, rows_labels), strict=True)]


def target_tables(y, target):
    """What a target encoding averages: the number itself, or one indicator a class (the positive one of two)."""
    if target["classes"] is None:
        return y[:, None].astype(np.float64)
    count = len(target["classes"])
    table = np.eye(count)[y]
    return table[:, 1:] if count == 2 else table[:, : min(count, 20)]


def encode_mean(labels, wanted, learn, answer, table, weight):
    """Smoothed class means of the `learn` rows for the `answer` rows."""
    prior = table[learn].mean(axis=0)
    codes, levels = pd.factorize(labels.iloc[learn], use_na_sentinel=False)
    sums = np.zeros((len(levels), table.shape[1]))
    np.add.at(sums, codes, table[learn])
    counts = np.bincount(codes, minlength=len(levels))[:, None]
    means = (sums + weight * prior) / (counts + weight)
    position = pd.Index(levels).get_indexer(wanted.iloc[answer] if answer is not None else wanted)
    return np.where((position >= 0)[:, None], means[np.maximum(position, 0)], prior)


def target_encodings(train, train_labels, rows_labels, y, target, columns, weight=10.0):
    """Mean target a category: out of fold for training rows, from all training rows for the others."""
    table = target_tables(y, target)
    fold_pairs = inner_splits(train, y, target, 5)
    if IS_TIMED:
        order = np.array_split(np.random.default_rng(ARGUMENTS.seed).permutation(len(train)), 5)
        fold_pairs = [(np.setdiff1d(np.arange(len(train)), part), part) for part in order]
    out = [{}, {}]
    for column in columns:
        inner = np.empty((len(train), table.shape[1]))
        for learn, answer in fold_pairs:
            inner[answer] = encode_mean(train_labels[column], train_labels[column], learn, answer, table, weight)
        outer = encode_mean(train_labels[column], rows_labels[column], np.arange(len(train)), None, table, weight)
        for i in range(table.shape[1]):
            out[0][f"{column} mean {i}"], out[1][f"{column} mean {i}"] = inner[:, i], outer[:, i]
    return pd.DataFrame(out[0], index=train.index), pd.DataFrame(out[1], index=rows_labels.index)


# ---- text columns as sparse words and character runs, and as a few dense columns for tree models

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


# ---- the model

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
