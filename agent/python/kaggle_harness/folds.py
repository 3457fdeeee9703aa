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
    if task.is_timed and task.times is not None:
        return _time_folds(task.times[: task.n_train], task.times[task.n_train :], count)
    return _cut_rows(task, np.arange(task.n_train), count, random_of(task, "folds", count))


def make_inner_folds(task: Task, folds: Folds, outer: int) -> Folds:
    """Folds of the rows that fold `outer` may learn from, -1 for all others: cut as the task's own are, from those rows' labels alone."""
    rows = folds.training_rows(outer, task.times)
    inner = _cut_rows(task, rows, folds.count, random_of(task, "inner folds", folds.count, outer))
    vector = np.full(task.n_train, -1, dtype=np.int64)
    vector[rows] = inner.vector
    return Folds(inner.count, vector)


def _cut_rows(task: Task, rows: NDArray[np.int64], count: int, rng: np.random.Generator) -> Folds:
    """Folds of some training rows whose order in time does not matter; the vector is of `rows`."""
    if task.shape == "groups" and task.groups is not None:
        return _group_folds(task.groups[rows], count, rng)
    return Folds(count, _stratified(task, rows, count, rng))


def _stratified(task: Task, rows: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    strata = np.zeros(len(rows), dtype=np.int64)
    for target, truth in zip(task.layout.targets[:3], task.truth[:3], strict=True):
        values = truth[rows]
        if target.is_answer:
            assert task.extras.answers is not None
            empty = task.extras.answers.code("")
            values = (values == empty).astype(np.int64)
            strata = strata * 2 + values
            continue
        if target.survival is not None:
            strata, values = strata * 2 + values[:, 1].astype(np.int64), values[:, 0]
        if target.classes is None:
            edges = np.unique(np.quantile(values, np.linspace(0, 1, max(2, min(10, len(rows) // (2 * count))) + 1)[1:-1]))
            values = np.searchsorted(edges, values, side="right")
        strata = strata * (int(values.max()) + 1) + values
        if len(rows) < 20 * count:
            break
    order = np.lexsort((rng.random(len(rows)), strata))
    vector = np.empty(len(rows), dtype=np.int64)
    vector[order] = np.arange(len(rows)) % count
    return rng.permutation(count)[vector]


def _group_folds(groups: NDArray[np.int64], count: int, rng: np.random.Generator) -> Folds:
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
