"""Puts the files that a run's rows name beside them, under names that say nothing."""

import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .task import Task

Codes = NDArray[np.int64]


def name_files(task: Task, rows: list[Codes], rng: np.random.Generator) -> dict[Path, str]:
    """New names, by chance, of the files that these rows name."""
    used = sorted({path for paths in task.media.values() for own in rows for row in own.tolist() if (path := paths[row])})
    numbers = rng.permutation(len(used)) + 1
    width = len(str(len(used)))
    return {path: f"{number:0{width}d}{path.suffix.lower()}" for path, number in zip(used, numbers.tolist(), strict=True)}


def show_names(task: Task, rows: Codes, names: dict[Path, str]) -> dict[str, pa.Array]:
    """What each media column shows in these rows instead of its own values."""
    shown: dict[str, pa.Array] = {}
    for column, paths in task.media.items():
        own = [paths[row] for row in rows.tolist()]
        shown[column] = pa.array([None if path is None else names[path] for path in own], type=pa.string())
    return shown


def write_files(task: Task, rows: Codes, names: dict[Path, str], folder: Path, copies: dict[Path, Path] | None) -> None:
    """Fills `files/` with those of the rows: further names of `copies`, or copies of their own. By their new names: the order in a folder is
    what a listing shows."""
    if not task.media:
        return
    (folder / "files").mkdir()
    wanted = {path for paths in task.media.values() for row in rows.tolist() if (path := paths[row])}
    for path in sorted(wanted, key=names.__getitem__):
        target = folder / "files" / names[path]
        if copies is None:
            shutil.copyfile(path, target)
        else:
            os.link(copies[path], target)
