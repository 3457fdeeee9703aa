"""What a resumed attempt needs: finished solutions' scores in an npz without pickles, bound to the fold vector."""

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from .errors import Refused
from .folds import Folds
from .solutions import Solution
from .submission import write_atomically
from .task import Task

# 3: stacks carry their members and what they were rebuilt to.
_VERSION = 3


def save_state(task: Task, folds: Folds, solutions: list[Solution], path: Path) -> dict[str, Any]:
    """Writes atomically, readable by the owner only (it holds out-of-fold scores, no labels)."""
    listed = [
        {
            "number": s.number,
            "test_count": s.test_count,
            "is_raw": s.is_raw,
            "has_final": s.final is not None,
            "members": s.members,
            "seconds": s.seconds,
            "evaluation": s.evaluation,
            "decoder": s.decoder,
        }
        for s in solutions
    ]
    meta = {"version": _VERSION, "folds": folds.digest(), "metric": task.metric_id, "columns": task.layout.columns, "solutions": listed}
    pool = task.extras.answers
    arrays: dict[str, np.ndarray] = {"meta": np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8), "vector": folds.vector}
    for solution in solutions:
        arrays[f"oof_{solution.number}"] = solution.oof
        arrays[f"test_{solution.number}"] = solution.test_sum
        if solution.final is not None:
            arrays[f"final_{solution.number}"] = solution.final
        if solution.rebuilt is not None:
            arrays[f"rebuilt_{solution.number}"] = solution.rebuilt
    if task.gives_answers and pool is not None:
        arrays["answers"] = np.frombuffer(json.dumps(pool.texts).encode(), dtype=np.uint8)
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    data = stream.getvalue()
    return {"sha256": write_atomically(path, data, 0o600), "bytes": len(data)}


def load_state(task: Task, folds: Folds, path: Path) -> list[Solution]:
    """Reads the solutions again. Raises Refused when the state belongs to another task or other folds, or is damaged."""
    data = _read(path)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            meta = json.loads(bytes(arrays["meta"]).decode())
            if (meta["version"], meta["folds"], meta["metric"], meta["columns"]) != (
                _VERSION,
                folds.digest(),
                task.metric_id,
                task.layout.columns,
            ):
                raise Refused("the saved state belongs to another task, other folds or another metric; start without it")
            loaded = [_solution(task, entry, arrays) for entry in meta["solutions"]]
            if task.gives_answers:
                _rename_answers(task, loaded, json.loads(bytes(arrays["answers"]).decode()))
            return loaded
    except (ValueError, KeyError, TypeError, OSError, EOFError, IndexError, zipfile.BadZipFile) as error:
        raise Refused(f"the saved state cannot be read ({type(error).__name__}); start without it") from error


def _read(path: Path) -> bytes:
    """The raw bytes; npz is a zip, so the table reader's unpacking is not wanted."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"the saved state cannot be opened ({error.strerror})") from error
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read()


def _solution(task: Task, entry: dict[str, Any], arrays: Any) -> Solution:
    number = int(entry["number"])
    columns = len(task.layout.columns)
    oof, test = arrays[f"oof_{number}"], arrays[f"test_{number}"]
    final = arrays[f"final_{number}"] if entry["has_final"] else None
    members = [int(member) for member in entry["members"]]
    rebuilt = arrays[f"rebuilt_{number}"] if members else None
    sized = [(oof, task.n_train), (test, task.n_test), (final, task.n_test), (rebuilt, task.n_train)]
    for array, rows in ((array, rows) for array, rows in sized if array is not None):
        if array.shape != (rows, columns) or array.dtype != np.float64:
            raise ValueError("wrong shape")
    return Solution(
        number, oof, test, int(entry["test_count"]), final, bool(entry["is_raw"]), set(), float(entry["seconds"]), entry["evaluation"], entry["decoder"],
        members=members, rebuilt=rebuilt,
    )  # fmt: skip


def _rename_answers(task: Task, solutions: list[Solution], texts: list[str]) -> None:
    """Codes of an earlier process become those of this one."""
    assert task.extras.answers is not None
    codes = task.extras.answers.encode([str(text) for text in texts]).astype(np.float64)
    for solution in solutions:
        for scores in (solution.oof, solution.final):
            if scores is not None:
                known = ~np.isnan(scores)
                scores[known] = codes[scores[known].astype(np.int64)]
