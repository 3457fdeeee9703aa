"""For masks of images: which pixels are marked, by what they and their surroundings look like; of several masks, each patch by itself.

Written by assemble.py from parts/image_pixels.py; change that file.
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


# ---- masks of images as run lengths

def decode_mask(text, height, width):
    """(height, width) of run lengths down the columns."""
    flat = np.zeros(height * width, dtype=bool)
    words = np.array(text.split(), dtype=np.int64)
    for start, length in zip(words[0::2], words[1::2], strict=True):
        flat[start - 1 : start - 1 + length] = True
    return flat.reshape((width, height)).T


def encode_mask(mask):
    """Run lengths down the columns."""
    flat = np.concatenate([[False], mask.T.ravel(), [False]])
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    return " ".join(f"{a} {b - a}" for a, b in zip(changes[0::2], changes[1::2], strict=True))


def image_size(path):
    """Height and width."""
    from PIL import Image

    with Image.open(path) as image:
        return image.height, image.width


def resize_mask(mask, height, width):
    """The nearest pixel's value in another size."""
    rows = np.minimum((np.arange(height) + 0.5) * mask.shape[0] / height, mask.shape[0] - 1).astype(int)
    columns = np.minimum((np.arange(width) + 0.5) * mask.shape[1] / width, mask.shape[1] - 1).astype(int)
    return mask[np.ix_(rows, columns)]


def encode_pixels(pixels):
    """Run lengths of pixels by their rising count, from 0, down the columns."""
    first = np.flatnonzero(np.diff(pixels, prepend=-2) != 1)
    lengths = np.diff(np.append(first, len(pixels)))
    return " ".join(f"{pixels[a] + 1} {n}" for a, n in zip(first, lengths, strict=True))


# ---- the model

import lightgbm as lgb
from PIL import Image
from scipy import ndimage

MOST_SIDE = PARAMS.get("most_side", 256)
MOST_IMAGES = PARAMS.get("most_images", 400)
PIXELS_AN_IMAGE = PARAMS.get("pixels_an_image", 600)
ROUNDS = PARAMS.get("rounds", 150)
MASK_MARK = ";"
LEVELS = (0.3, 0.4, 0.5, 0.6, 0.7)


def read_image(folder, name):
    """(height, width, 3) from 0 to 1, made smaller where a side is long, and the height and width that it had."""
    with Image.open(folder / "files" / name) as image:
        size = image.height, image.width
        share = min(1.0, MOST_SIDE / max(size))
        small = image.convert("RGB").resize((max(1, round(size[1] * share)), max(1, round(size[0] * share))), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float32) / 255, size


def describe_pixels(image):
    """(pixels, features): colours, brightness within the image, blurs, edges and spots around, place."""
    grey = image.mean(axis=2)
    scaled = (grey - grey.mean()) / max(float(grey.std()), 1e-3)
    layers = [image[:, :, i] for i in range(3)] + [grey, scaled]
    for sigma in (1, 2, 4, 8):
        layers.append(ndimage.gaussian_filter(scaled, sigma))
    layers += [ndimage.gaussian_gradient_magnitude(scaled, 1), ndimage.gaussian_gradient_magnitude(scaled, 3)]
    layers += [ndimage.gaussian_laplace(scaled, 2), ndimage.maximum_filter(scaled, 5), ndimage.minimum_filter(scaled, 5)]
    rows, columns = np.mgrid[0 : grey.shape[0], 0 : grey.shape[1]]
    layers += [rows / grey.shape[0], columns / grey.shape[1]]
    return np.stack([layer.ravel() for layer in layers], axis=1).astype(np.float32)


def mark_all(text, size):
    """(height, width): the pixels of every mask of an answer."""
    marked = np.zeros(size, dtype=bool)
    for mask in text.split(MASK_MARK):
        marked |= decode_mask(mask, *size)
    return marked


def draw_pixels(names, answers, rng):
    """Features and marks of a few pixels of each image."""
    features, marks = [], []
    for name, text in zip(names, answers, strict=True):
        image, size = read_image(ARGUMENTS.train, name)
        chosen = rng.integers(0, image.shape[0] * image.shape[1], PIXELS_AN_IMAGE)
        features.append(describe_pixels(image)[chosen])
        marks.append(resize_mask(mark_all(text, size), *image.shape[:2]).ravel()[chosen])
    return np.vstack(features), np.concatenate(marks)


def learn(names, answers, rng):
    """A function from an image to how likely each of its pixels is marked."""
    features, marks = draw_pixels(names, answers, rng)
    if marks.all() or not marks.any():
        return lambda image: np.full(image.shape[:2], float(marks[0]))
    model = lgb.LGBMClassifier(
        n_estimators=ROUNDS,
        learning_rate=0.1,
        num_leaves=31,
        min_child_samples=40,
        random_state=ARGUMENTS.seed,
        n_jobs=ARGUMENTS.threads,
        verbose=-1,
    ).fit(features, marks)
    return lambda image: model.predict_proba(describe_pixels(image))[:, 1].reshape(image.shape[:2])


def find_patches(likely, level, least):
    """(height, width): 0, or the number of the patch that a pixel lies in; patches of fewer pixels than `least` are none."""
    patches, _ = ndimage.label(likely >= level)
    counts = np.bincount(patches.ravel())
    counts[0] = 0
    numbers = np.zeros(len(counts), dtype=np.int64)
    kept = np.flatnonzero(counts >= max(1, least))
    numbers[kept] = np.arange(len(kept)) + 1
    return numbers[patches]


def enlarge(likely, size):
    """The same in the image's own size."""
    share = (size[0] / likely.shape[0], size[1] / likely.shape[1])
    return ndimage.zoom(likely.astype(np.float32), share, order=1, grid_mode=True, mode="nearest")[: size[0], : size[1]]


def judge_patches(patches, masks, is_several):
    """How well patches meet an answer: pixels in common twice over both (Dice), or the share of objects met by more than half and by three quarters."""
    if not is_several:
        given = patches > 0
        total = masks[0].sum() + given.sum()
        return 2 * (masks[0] & given).sum() / total if total else 1.0
    count, areas = int(patches.max()), np.bincount(patches.ravel())
    best = []
    for own in masks:
        common = np.bincount(patches[own], minlength=count + 1)[1:]
        best.append(float((common / np.maximum(own.sum() + areas[1:] - common, 1)).max(initial=0.0)))
    found = [sum(overlap > least for overlap in best) for least in (0.5, 0.75)]
    return float(np.mean([hits / max(1, len(best) + count - hits) if len(best) + count else 1.0 for hits in found]))


def choose_cut(predict, names, answers, is_several):
    """The level, and the least size of a patch in pixels of the image's own size, that suit held-out images; tried on small ones."""
    read, areas = [], []
    for name, text in zip(names, answers, strict=True):
        image, size = read_image(ARGUMENTS.train, name)
        parts = [decode_mask(part, *size) for part in text.split(MASK_MARK) if part.strip()] if is_several else [mark_all(text, size)]
        areas += [int(part.sum()) for part in parts if part.any()]
        share = image.shape[0] * image.shape[1] / (size[0] * size[1])
        read.append((predict(image), [resize_mask(part, *image.shape[:2]) for part in parts], share))
    sizes = [0, *np.quantile(areas, (0.02, 0.1)).astype(int).tolist()] if areas else [0]
    scores = {}
    for level in LEVELS:
        for least in dict.fromkeys(sizes):
            judged = [judge_patches(find_patches(likely, level, least * share), masks, is_several) for likely, masks, share in read]
            scores[level, least] = np.mean(judged)
    best = max(scores, key=lambda cut: (scores[cut], -abs(cut[0] - 0.5), -cut[1]))
    NOTES["level"], NOTES["least"] = best
    return best


def write_patches(patches, is_several):
    """The answer: one mask of all patches, or one a patch."""
    if not is_several:
        return encode_mask(patches > 0)
    masks = []
    for number, place in enumerate(ndimage.find_objects(patches), start=1):
        rows, columns = np.nonzero(patches[place] == number)
        pixels = (columns + place[1].start) * patches.shape[0] + rows + place[0].start
        masks.append(encode_pixels(np.sort(pixels)))
    return MASK_MARK.join(masks)


def main():
    """Learns from pixels of training images, chooses the cut on held-out ones, answers each row."""
    train, rows = read_rows(ARGUMENTS.train, "train"), read_rows(ARGUMENTS.predict, "rows")
    target, column = TASK["targets"][0], TASK["media_columns"][0]
    is_several = target["type"] == "masks"
    rng = np.random.default_rng(ARGUMENTS.seed)
    known = train[train[column].notna()]
    known = known.iloc[rng.permutation(len(known))[:MOST_IMAGES]]
    names, answers = known[column].tolist(), known[target["name"]].fillna("").astype(str).tolist()
    held = min(60, max(1, len(names) // 6))
    cut = choose_cut(learn(names[held:], answers[held:], rng), names[:held], answers[:held], is_several)
    predict = learn(names, answers, rng)
    written = []
    for name in rows[column].tolist():
        if not isinstance(name, str):
            written.append("")
            continue
        image, size = read_image(ARGUMENTS.predict, name)
        written.append(write_patches(find_patches(enlarge(predict(image), size), *cut), is_several))
    ARGUMENTS.out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({KEY: rows[KEY].to_numpy(), target["name"]: written}).to_csv(ARGUMENTS.out / "scores.csv", index=False)
    NOTES["seconds"] = round(time.monotonic() - STARTED, 2)
    (ARGUMENTS.out / "notes.json").write_text(json.dumps(NOTES, default=float)[:4000], encoding="utf-8")


main()
