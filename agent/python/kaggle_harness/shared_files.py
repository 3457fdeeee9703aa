"""Large data lie on the disk once: a run's training rows and files are further names of the same bytes (solution contract, section 2)."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .folds import Folds, random_of
from .shown_media import name_files
from .shown_tables import draw_numbers
from .task import Task

Codes = NDArray[np.int64]

FIXED_TIMES = (2_145_830_400, 946_684_800)
"""Read 2037, written 2000: times do not tell runs apart. Linux notes a reading only where the last one is older than the file's last change or a
day old, so that of a file from the future is never noted: no run can see what another one has read."""


@dataclass(frozen=True)
class SharedFiles:
    """What all runs of a task have in common. `keys`: of labelled rows; `numbers`: of each renumbered column's codes; `names`: of files;
    `parts`: file and labelled rows of each part, no row in two; `files`: the copy of each file."""

    keys: Codes
    numbers: dict[str, Codes]
    names: dict[Path, str]
    parts: list[tuple[Path, Codes]]
    files: dict[Path, Path]

    def link_rows(self, rows: Codes, folder: Path) -> None:
        """Makes the folder with the parts that these training rows come from, numbered from 0. The rows must be whole parts."""
        wanted = np.zeros(len(self.keys), dtype=bool)
        wanted[rows] = True
        own = [path for path, held in self.parts if wanted[held].all()]
        assert sum(len(held) for path, held in self.parts if path in own) == len(rows)
        folder.mkdir()
        for place, path in enumerate(own):
            os.link(path, folder / f"part-{place:02d}.parquet")


def plan_parts(task: Task, folds: Folds) -> list[Codes]:
    """Labelled rows by the runs that learn from them, in order of their first rows: a run's training rows are whole parts."""
    seen = np.zeros((task.n_train, folds.count), dtype=bool)
    for fold in range(folds.count):
        seen[folds.training_rows(fold, task.times), fold] = True
    _, codes = np.unique(seen, axis=0, return_inverse=True)
    parts = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    return sorted(parts, key=lambda rows: int(rows[0]))


def share_names(task: Task, folds: Folds) -> SharedFiles:
    """Keys, numbers and names that every run uses, with no bytes yet."""
    rng = random_of(task, "shared", folds.count)
    keys = rng.permutation(task.n_train).astype(np.int64) + 1
    return SharedFiles(keys, draw_numbers(task, rng), name_files(task, [np.arange(task.n_train + task.n_test)], rng), [], {})


def copy_shared(shared: SharedFiles, folder: Path) -> None:
    """Copies every file that rows name, by its new name: the order of inodes is theirs."""
    folder.mkdir()
    for path in sorted(shared.names, key=shared.names.__getitem__):
        shared.files[path] = folder / shared.names[path]
        shutil.copyfile(path, shared.files[path])
        os.utime(shared.files[path], FIXED_TIMES)


def can_share(folder: Path) -> bool:
    """Whether files here can have several names, and a reading leaves no trace. Says so on stderr when not: then every run gets a copy."""
    first, second = folder / "first", folder / "second"
    try:
        first.write_bytes(b"0")
        os.link(first, second)
        os.utime(first, FIXED_TIMES)
        second.read_bytes()
        if first.stat().st_atime == FIXED_TIMES[0]:
            return True
        why = "it notes every reading (mounted with strictatime)"
    except OSError as error:
        why = f"files cannot have several names ({error.strerror})"
    finally:
        first.unlink(missing_ok=True)
        second.unlink(missing_ok=True)
    print(f"every run gets a copy of the data, since the disk does not let runs share them: {why}", file=sys.stderr)
    return False
