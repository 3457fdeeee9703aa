"""Probes of a finalist: its program once more on a part of one fold, changed in ways that no honest program minds.

`fresh`: another seed, the ids of PREDICT exchanged among its rows, its continuous numbers moved by a billionth. `mirrored`: every label of
TRAIN replaced by its opposite (solution contract, section 5). `alone`: one row to answer, where the competition hands rows out so. `control`: nothing changed; only where the fold's own rows are too many.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .folds import Folds, random_of
from .layout import TargetLayout
from .run_folders import RunPlan
from .solutions import Solution
from .task import Task

Kind = Literal["control", "fresh", "mirrored", "alone"]
Array = NDArray[np.float64]

PROBE_ROWS = 5_000
_FOLD = 0
_NUDGE = 1e-9


@dataclass(frozen=True)
class ProbeOutcome:
    """Scores (validation rows of the probe in row order, columns), or why there are none. `is_fault`: the program's own doing."""

    scores: Array | None
    failure: str | None = None
    is_fault: bool = False


def plan_probes(task: Task, folds: Folds, is_generated: bool) -> dict[Kind, RunPlan]:
    """The probes that a finalist needs. Only a program that was generated can hold answers: ours are looked at by people."""
    rng = random_of(task, "probe rows", folds.count)
    train, is_cut = _sample(folds.training_rows(_FOLD, task.times), rng)
    rows, rows_cut = _sample(folds.validation_rows(_FOLD), rng)
    tests, tests_cut = np.arange(0), False
    kind = "validation"
    if task.predicts_test_in_folds:
        kind = "validation+test"
        tests, tests_cut = _sample(np.arange(task.n_train, task.n_train + task.n_test), rng)
    predict = np.concatenate([rows, tests]).astype(np.int64)
    labels = [truth[train] for truth in task.truth]
    plans: dict[Kind, RunPlan] = {}
    if is_cut or rows_cut or tests_cut:
        plans["control"] = RunPlan("probe-control", _FOLD, train, predict, kind, labels)

    def change(table: pa.Table, random: np.random.Generator) -> pa.Table:
        return refresh(task, table, random)

    plans["fresh"] = RunPlan("probe-fresh", _FOLD, train, predict, kind, labels, change)
    if is_generated:
        opposite = [_oppose(task, values, target) for values, target in zip(labels, task.layout.targets, strict=True)]
        plans["mirrored"] = RunPlan("probe-mirrored", _FOLD, train, predict, kind, opposite)
    if task.profile.get("one_row_at_a_time", False):
        plans["alone"] = RunPlan("probe-alone", _FOLD, train, rng.choice(rows, 1), "validation", labels)
    return plans


def alone_row(task: Task, folds: Folds) -> int:
    """The row that the probe `alone` answers."""
    return int(plan_probes(task, folds, False)["alone"].predict[0])


def control_scores(
    task: Task, folds: Folds, solution: Solution, outcomes: dict[Kind, ProbeOutcome]
) -> tuple[NDArray[np.int64], ProbeOutcome]:
    """The probe's validation rows, and what the program says of them with nothing changed."""
    plan = plan_probes(task, folds, False)["fresh"]
    rows = np.sort(plan.predict[plan.predict < task.n_train])
    return rows, outcomes.get("control", ProbeOutcome(solution.oof[rows]))


def _sample(rows: NDArray[np.int64], rng: np.random.Generator) -> tuple[NDArray[np.int64], bool]:
    if len(rows) <= PROBE_ROWS:
        return rows, False
    return np.sort(rng.choice(rows, PROBE_ROWS, replace=False)), True


def _oppose(task: Task, labels: NDArray[Any], target: TargetLayout) -> NDArray[Any]:
    """Answers that are texts have no opposite: they change places by chance. (The order of their codes hangs on labels that no run may see.)"""
    if not target.is_answer:
        return mirror(labels, target.classes)
    return labels[random_of(task, "probe answers").permutation(len(labels))]


def mirror(labels: NDArray[Any], classes: list[str] | None) -> NDArray[Any]:
    """Numbers change places with those of the opposite rank, two classes with each other, ordered classes end for end, others with the next.

    The numbers stay the same set, so what a program does for their distribution (a logarithm, a clip) fits as before.
    """
    if labels.ndim == 2:
        # Times change ends; whether an event came stays with the row.
        return np.column_stack([mirror(labels[:, 0], None), labels[:, 1]])
    if classes is None:
        order = np.argsort(labels, kind="stable")
        made = np.empty_like(labels)
        made[order] = labels[order[::-1]]
        return made
    if len(classes) == 2 or _are_numbers(classes):
        return len(classes) - 1 - labels
    return (labels + 1) % len(classes)


def _are_numbers(classes: list[str]) -> bool:
    try:
        return all(np.isfinite(float(c)) for c in classes)
    except ValueError:
        return False


def refresh(task: Task, table: pa.Table, rng: np.random.Generator) -> pa.Table:
    """The same rows under other ids, and with continuous numbers that equal none that was seen before."""
    for name in table.column_names:
        column = table.column(name)
        place = table.column_names.index(name)
        if name in task.renumbered:
            continue  # every run has numbers of its own for it, and tables that it joins
        if name in task.id_columns:
            table = table.set_column(place, name, column.take(pa.array(rng.permutation(table.num_rows))))
        elif pa.types.is_floating(column.type) and pc.count_distinct(column).as_py() > 0.5 * table.num_rows:
            factor = pa.array(1 + _NUDGE * rng.choice([-1.0, 1.0], table.num_rows))
            table = table.set_column(place, name, pc.multiply(pc.cast(column, pa.float64()), factor))
    return table
