"""Copies the files that a run's rows name, under names that say nothing."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .task import Task

Codes = NDArray[np.int64]


def write_media(task: Task, places: dict[Path, Codes], rng: np.random.Generator) -> dict[Path, dict[str, pa.Array]]:
    """Fills `files/` of each folder with the files of its rows; returns the new names of each media column. A file has one name a run."""
    if not task.media:
        return {folder: {} for folder in places}
    used = sorted({path for paths in task.media.values() for rows in places.values() for row in rows.tolist() if (path := paths[row])})
    numbers = rng.permutation(len(used)) + 1
    width = len(str(len(used)))
    names = {path: f"{number:0{width}d}{path.suffix.lower()}" for path, number in zip(used, numbers.tolist(), strict=True)}
    shown: dict[Path, dict[str, pa.Array]] = {}
    for folder, rows in places.items():
        (folder / "files").mkdir()
        shown[folder] = {}
        wanted: set[Path] = set()
        for column, paths in task.media.items():
            own = [paths[row] for row in rows.tolist()]
            shown[folder][column] = pa.array([None if path is None else names[path] for path in own], type=pa.string())
            wanted.update(path for path in own if path is not None)
        # By their new names: the order in a folder is what a listing shows.
        for path in sorted(wanted, key=names.__getitem__):
            shutil.copyfile(path, folder / "files" / names[path])
    return shown
