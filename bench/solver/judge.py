"""Judges a submission: `judge.py --set SLUG --folder DIR --answers FILE --submission FILE` prints JSON.

`loss` and `naive` (what the sample's constant loses), smaller is better; `resampled`: the loss on resampled test rows, drawn the same for every
solver, so that two of them can be compared in pairs later.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from metrics import compute_loss

_RESAMPLES = 40


def main() -> None:
    """Prints the losses, or why the file is not valid."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--set", required=True)
    for name in ("folder", "answers", "submission"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    known = json.loads(Path(__file__).with_name("sets.json").read_text())
    entry = next(each for each in known if each["slug"] == args.set)
    truth = _read(args.answers, entry)
    sample = _read(args.folder / "sample_submission.csv", entry)
    fault, answer = _check(args.submission, entry, sample)
    if answer is None:
        print(json.dumps({"kind": "fault", "fault": fault}))
        return
    truth = truth.set_index("id").loc[sample["id"], entry["targets"]]
    answer, constant = answer.drop(columns="id"), sample.drop(columns="id")
    random = np.random.RandomState(7)
    draws = [random.randint(0, len(truth), len(truth)) for _ in range(_RESAMPLES)]
    resampled = [compute_loss(entry["metric"], truth.iloc[rows], answer.iloc[rows]) for rows in draws]
    loss, naive = (compute_loss(entry["metric"], truth, each) for each in (answer, constant))
    print(json.dumps({"kind": "valid", "loss": loss, "naive": naive, "resampled": [float(f"{each:.6g}") for each in resampled]}))


def _read(path: Path, entry: dict) -> pd.DataFrame:
    """Labels as texts, so that a class named 1 or NA stays what it is."""
    texts = entry["targets"] if entry["metric"] in ("f1_macro", "logloss", "auc") else []
    header = pd.read_csv(path, nrows=0).columns
    return pd.read_csv(path, dtype={name: str for name in texts if name in header and "sample" not in path.name}, keep_default_na=not texts)


def _check(path: Path, entry: dict, sample: pd.DataFrame) -> tuple[str | None, pd.DataFrame | None]:
    """The submission in the sample's order, or why it is none."""
    try:
        answer = pd.read_csv(path, keep_default_na=entry["metric"] != "f1_macro")
    except (OSError, ValueError) as error:
        return f"it cannot be read: {error}", None
    if set(answer.columns) != set(sample.columns):
        return f"its columns are {list(answer.columns)[:5]}", None
    if len(answer) != len(sample) or set(answer["id"]) != set(sample["id"]):
        return "its ids are not the sample's", None
    ordered = answer.set_index("id").loc[sample["id"]].reset_index()[list(sample.columns)]
    if ordered.isna().any().any():
        return "it has empty cells", None
    return None, ordered


if __name__ == "__main__":
    main()
