"""What both peers are given: the glue that a competent user writes around an AutoML library. No library of the product is used."""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Order:
    """What one call gets. `columns`: of the submission, without the id; `limit_s`: for this target alone."""

    train: pd.DataFrame
    test: pd.DataFrame
    target: str
    metric: str
    by_class: bool
    limit_s: float
    option: str


Solver = Callable[[Order], pd.DataFrame | np.ndarray]


def run(solve: Solver) -> None:
    """Reads a competition's folder, asks the library for each target, and writes the submission in the sample's form.

    `solve` answers values, labels, the positive class's probability, or a frame with a probability a class. The id is dropped; where errors count
    in the logarithm, the library learns the logarithm and its plain error.
    """
    started = time.monotonic()
    parser = argparse.ArgumentParser()
    parser.add_argument("--set", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=float, required=True)
    parser.add_argument("--option", default="")
    args = parser.parse_args()
    known = json.loads((Path(__file__).parent.parent / "sets.json").read_text())
    entry = next(each for each in known if each["slug"] == args.set)
    train, test = (pd.read_csv(args.folder / name) for name in ("train.csv", "test.csv"))
    sample = pd.read_csv(args.folder / "sample_submission.csv")
    targets: list[str] = entry["targets"]
    answer = sample[["id"]].copy()
    names = [name for name in sample.columns if name != "id"]
    for index, target in enumerate(targets):
        left_s = args.limit - (time.monotonic() - started)
        features = train.drop(columns=["id", *[each for each in targets if each != target]])
        is_log = entry["metric"] == "rmsle"
        if is_log:
            features[target] = np.log1p(features[target].clip(lower=0))
        order = Order(
            features,
            test.drop(columns="id"),
            target,
            "rmse" if is_log else entry["metric"],
            names != targets,
            max(5.0, left_s / (len(targets) - index)),
            args.option,
        )
        found = solve(order)
        if isinstance(found, pd.DataFrame):
            found.columns = [str(name) for name in found.columns]
            for name in names:
                answer[name] = found[name].to_numpy()
        else:
            answer[target] = np.expm1(found).clip(min=0) if is_log else found
    answer.to_csv(args.out, index=False)
