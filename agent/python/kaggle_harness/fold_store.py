"""The fold vector on disk, beside the runs: a resumed attempt goes on with the same one."""

import json
from pathlib import Path

import numpy as np

from .folds import Folds, make_folds
from .submission import write_atomically
from .task import Task


def open_folds(task: Task, fold_count: int | None) -> Folds:
    """The stored folds if they are of this task and count, else new ones, stored."""
    place = task.work_dir / "harness" / "folds.json"
    folds = _read_folds(place, task, fold_count) or make_folds(task, fold_count)
    text = {"count": folds.count, "asked": fold_count, "vector": folds.vector.tolist(), "train_end": folds.train_end}
    text |= {"horizon": folds.horizon, "gap": folds.gap, "salt": task.salt.hex()}
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(place, json.dumps(text).encode(), 0o600)
    return folds


def _read_folds(place: Path, task: Task, fold_count: int | None) -> Folds | None:
    """Folds of an earlier attempt in the same folder, if they are of this task (same features, same seed) and count."""
    try:
        kept = json.loads(place.read_text())
        vector = np.asarray(kept["vector"], dtype=np.int64)
        if kept["salt"] != task.salt.hex() or len(vector) != task.n_train or fold_count not in (None, kept["asked"], kept["count"]):
            return None
        return Folds(int(kept["count"]), vector, kept["train_end"], kept["horizon"], kept["gap"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
