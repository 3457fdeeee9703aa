"""The fold vector: which training rows are scored together. Made once a task; only the harness keeps it."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .row_unit import default_fold_count
from .task import Task


@dataclass(frozen=True)
class Folds:
    """`vector[i]` = fold of training row i, -1 = never validated (time). `train_end` (time): last usable time a fold."""

    count: int
    vector: NDArray[np.int64]
    train_end: list[float] | None = None
    horizon: float | None = None
    gap: float | None = None

    def validation_rows(self, fold: int) -> NDArray[np.int64]:
        """Training rows that this fold scores."""
        return np.flatnonzero(self.vector == fold)

    def training_rows(self, fold: int, times: NDArray[np.float64] | None) -> NDArray[np.int64]:
        """Training rows that this fold may learn from."""
        if self.train_end is None or times is None:
            return np.flatnonzero(self.vector != fold)
        return np.flatnonzero(times[: len(self.vector)] <= self.train_end[fold])

    def digest(self) -> str:
        """Names this fold vector: scores under another one cannot be compared."""
        return hashlib.sha256(self.vector.tobytes()).hexdigest()[:16]


def random_of(task: Task, *words: object) -> np.random.Generator:
    """A generator that depends on the task's salt and the words, never on labels."""
    text = "|".join(str(w) for w in words).encode()
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(task.salt + text).digest()[:16], "big")))


def make_folds(task: Task, fold_count: int | None) -> Folds:
    """Cuts by the task's shape: entities, time blocks, or rows stratified on the first target."""
    count = max(2, min(fold_count or default_fold_count(task.n_train), 20, task.n_train // 2))
    if task.shape == "groups" and task.groups is not None:
        return _group_folds(task, task.groups[: task.n_train], count)
    if task.is_timed and task.times is not None:
        return _time_folds(task.times[: task.n_train], task.times[task.n_train :], count)
    return Folds(count, _stratified(task, count))


def _stratified(task: Task, count: int) -> NDArray[np.int64]:
    rng = random_of(task, "folds", count)
    strata = np.zeros(task.n_train, dtype=np.int64)
    for i, target in enumerate(task.layout.targets[:3]):
        values = task.truth[i]
        if target.is_answer:
            assert task.extras.answers is not None
            empty = task.extras.answers.code("")
            values = (task.truth[i] == empty).astype(np.int64)
            strata = strata * 2 + values
            continue
        if target.survival is not None:
            strata, values = strata * 2 + values[:, 1].astype(np.int64), values[:, 0]
        if target.classes is None:
            edges = np.unique(np.quantile(values, np.linspace(0, 1, max(2, min(10, task.n_train // (2 * count))) + 1)[1:-1]))
            values = np.searchsorted(edges, values, side="right")
        strata = strata * (int(values.max()) + 1) + values
        if task.n_train < 20 * count:
            break
    order = np.lexsort((rng.random(task.n_train), strata))
    vector = np.empty(task.n_train, dtype=np.int64)
    vector[order] = np.arange(task.n_train) % count
    return rng.permutation(count)[vector]


def _group_folds(task: Task, groups: NDArray[np.int64], count: int) -> Folds:
    rng = random_of(task, "folds", count)
    names, codes = np.unique(groups, return_inverse=True)
    sizes = np.bincount(codes)
    count = min(count, len(names))
    order = np.lexsort((rng.random(len(names)), -sizes))
    load = np.zeros(count)
    fold_of = np.empty(len(names), dtype=np.int64)
    for group in order:
        fold_of[group] = int(np.argmin(load))
        load[fold_of[group]] += sizes[group]
    return Folds(count, fold_of[codes])


def _time_folds(train: NDArray[np.float64], test: NDArray[np.float64], count: int) -> Folds:
    """Blocks as long as the test's horizon at the end of the training time, each after the same gap as the test has."""
    count = min(count, 5)
    stamps = np.unique(train[~np.isnan(train)])
    step = float(np.median(np.diff(stamps)))
    last = float(stamps[-1])
    gap = max(float(np.nanmin(test)) - last, 0.0) or step
    horizon = float(np.nanmax(test) - np.nanmin(test)) + step
    usable = (last - float(stamps[0])) * 0.6
    if usable > 0:
        # Fewer folds rather than shorter ones: how far ahead the test looks decides how hard it is.
        count = min(count, max(2, int(usable / horizon)))
        horizon = min(horizon, usable / count)
    vector = np.full(len(train), -1, dtype=np.int64)
    ends: list[float] = []
    stop = last
    made = 0
    for _ in range(count):
        start = stop - horizon
        rows = (train > start) & (train <= stop)
        end = start + step - gap
        if rows.sum() >= 5 and np.sum(train <= end) >= 10:
            vector[rows] = made
            ends.append(end)
            made += 1
        stop = start
    if made == 0:
        half = float(np.nanmedian(train))
        vector[train > half] = 0
        return Folds(1, vector, [half], horizon, gap)
    flipped = np.where(vector >= 0, made - 1 - vector, -1)
    return Folds(made, flipped, ends[::-1], horizon, gap)
