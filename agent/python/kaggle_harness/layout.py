"""How score columns belong to targets: one column for a number or a positive class, one a class for more classes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import metrics
from .answers import ANSWER_TYPES, AnswerPool
from .metric_table import ANSWER_NEEDS, METRICS
from .metrics_of_answers import measure_answers

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Survival:
    """The label columns of a survival target. `means`: what a high score says, a high `risk` or a long `survival`."""

    event: str
    time: str
    means: str


@dataclass(frozen=True)
class TargetLayout:
    """Score columns `start:stop` of one target. `classes` None = a number, with `quantiles` one a level, or with `survival` a risk, whose labels are (time, event)."""

    name: str
    type: str
    classes: list[str] | None
    start: int
    stop: int
    survival: "Survival | None" = None
    quantiles: list[float] | None = None

    @property
    def is_answer(self) -> bool:
        """Whether its scores are codes of texts."""
        return self.type in ANSWER_TYPES

    def pick(self, scores: Array) -> Array:
        """(n,) for a number or a positive class, else (n, classes)."""
        return scores[:, self.start] if self.stop - self.start == 1 else scores[:, self.start : self.stop]


@dataclass(frozen=True)
class Layout:
    """All targets of the task and the names of all score columns in order."""

    targets: list[TargetLayout]
    columns: list[str]

    def describe(self) -> list[dict[str, str | float | None]]:
        """For task.json: each score column, its target, its class (None = a number), the level of a quantile."""
        rows: list[dict[str, str | float | None]] = []
        for target in self.targets:
            for i in range(target.start, target.stop):
                classes = target.classes
                label = None if classes is None else classes[1] if target.stop - target.start == 1 else classes[i - target.start]
                level = {} if target.quantiles is None else {"quantile": target.quantiles[i - target.start]}
                rows.append({"name": self.columns[i], "target": target.name, "class": label, **level})
        return rows


def make_layout(targets: list[dict]) -> Layout:
    """Layout of a profile's targets. A single multi-class target's columns are `<target>=<class>`."""
    made: list[TargetLayout] = []
    columns: list[str] = []
    for target in targets:
        classes = target["classes"]
        names = [target["name"]] if classes is None or len(classes) == 2 else [f"{target['name']}={c}" for c in classes]
        quantiles = target.get("quantiles")
        names = names if quantiles is None else [f"{target['name']}@{level:g}" for level in quantiles]
        survival = None
        if target["type"] == "survival":
            named = target["survival"]
            survival = Survival(named["event_column"], named["duration_column"], named["score_means"])
        made.append(TargetLayout(target["name"], target["type"], classes, len(columns), len(columns) + len(names), survival, quantiles))
        columns.extend(names)
    return Layout(made, columns)


def default_labels(target: TargetLayout, scores: Array) -> NDArray[np.int64]:
    """Codes without any fitted decoder: the likeliest class."""
    part = target.pick(scores)
    return (part > 0.5).astype(np.int64) if part.ndim == 1 else np.argmax(part, axis=1).astype(np.int64)


@dataclass(frozen=True)
class Extras:
    """What a metric may want besides labels and scores: one weight a row, one code of query or era a row, how many places count.

    `answers`: what the codes of answers that are texts stand for; `sizes`: (rows, 2) height and width of each row's image; `histories`: the
    labels of each series in order of time, by code.
    """

    weights: Array | None = None
    groups: NDArray[np.int64] | None = None
    k: int | None = None
    answers: AnswerPool | None = None
    sizes: NDArray[np.int64] | None = None
    histories: list[Array] | None = None

    def at(self, rows: NDArray[np.int64]) -> "Extras":
        """Those of some rows."""
        weights, groups, sizes = (None if part is None else part[rows] for part in (self.weights, self.groups, self.sizes))
        return Extras(weights, groups, self.k, self.answers, sizes, self.histories)

    def pick(self, names: tuple[str, ...]) -> dict[str, object]:
        """As the arguments of a metric's function."""
        return {name: getattr(self, name) for name in names}


def measure(
    metric_id: str,
    layout: Layout,
    truth: list[NDArray],
    scores: Array,
    labels: list[NDArray[np.int64]] | None = None,
    extras: Extras | None = None,
) -> float:
    """The metric, averaged over targets or of all at once. `labels`: decided codes for label metrics (default: likeliest). Raises Undefined."""
    metric = METRICS[metric_id]
    if metric.needs in ANSWER_NEEDS:
        return _measure_answers(metric_id, truth, scores, extras or Extras())
    function = metrics.FUNCTIONS[metric_id]
    given = (extras or Extras()).pick(metric.extras)
    if metric.needs == "label":
        answers = labels if labels is not None else [default_labels(target, scores) for target in layout.targets]
    else:
        answers = [target.pick(scores) for target in layout.targets]
    if metric.needs == "survival":
        pairs = list(zip(layout.targets, truth, answers, strict=True))
        return sum(_measure_survival(function, target, t, a, given) for target, t, a in pairs) / len(pairs)
    if metric.needs == "quantile":
        given_levels = [target.quantiles or [] for target in layout.targets]
        return sum(function(t, a, q) for t, a, q in zip(truth, answers, given_levels, strict=True)) / len(layout.targets)
    if metric.joint:
        return function(np.column_stack(truth), np.column_stack(answers), **given)
    return sum(function(t, a, **given) for t, a in zip(truth, answers, strict=True)) / len(layout.targets)


def _measure_survival(function: Callable[..., float], target: TargetLayout, truth: Array, answer: Array, given: dict[str, object]) -> float:
    sign = -1.0 if target.survival is not None and target.survival.means == "risk" else 1.0
    return function(truth[:, 0], truth[:, 1].astype(np.int64), sign * answer, **given)


def _measure_answers(metric_id: str, truth: list[NDArray], scores: Array, extras: Extras) -> float:
    assert extras.answers is not None
    pairs = [(t, scores[:, i].astype(np.int64)) for i, t in enumerate(truth)]
    return sum(measure_answers(metric_id, extras.answers, t, a, extras.k, extras.sizes) for t, a in pairs) / len(pairs)
