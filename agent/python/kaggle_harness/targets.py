"""Targets: which training columns the submission's value columns stand for, and their types, judged from training labels only."""

import re
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from . import limits
from .answers import ANSWER_TYPES, looks_like_items, looks_like_runs
from .column_types import parse_numbers
from .errors import BadInput, shown
from .metric_table import METRICS
from .submission_format import SubmissionShape
from .survival import find_survival_columns, what_scores_mean
from .tables import TextTable

_POSITIVE = {"1", "1.0", "true", "yes", "y", "t", "positive", "pos", "churn", "churned", "great", "good", "survived", "fraud", "spam"}


@dataclass(frozen=True)
class Target:
    """One target. `classes` in the order of score columns (the positive class last when binary), None for numbers."""

    name: str
    type: str
    classes: list[str] | None
    survival: tuple[str, str, str] | None = None
    """Event column, duration column, and what a high score means: `risk` or `survival`."""
    quantiles: list[float] | None = None
    """Levels between 0 and 1, in the order of the submission's columns."""

    def describe(self) -> dict[str, Any]:
        """TargetProfile of the protocol."""
        described: dict[str, Any] = {"name": self.name, "type": self.type, "classes": self.classes}
        if self.quantiles is not None:
            described["quantiles"] = self.quantiles
        if self.survival is not None:
            event, duration, means = self.survival
            described["survival"] = {"event_column": event, "duration_column": duration, "score_means": means}
        return described

    def label_columns(self) -> list[str]:
        """The training columns that hold its labels."""
        return [self.name] if self.survival is None else [self.survival[0], self.survival[1]]


@dataclass(frozen=True)
class TargetPlan:
    """Targets and how the submission shows them. `class_of_column`: submission column → class label, for one column a class."""

    targets: list[Target]
    form: str
    class_of_column: dict[str, str]
    warnings: list[str]


def plan_targets(train: TextTable, test: TextTable, shape: SubmissionShape, metric_id: str | None, recast: str | None = None) -> TargetPlan:
    """Ties the submission's value columns to training columns. Raises BadInput when the target is absent from the training table."""
    warnings: list[str] = []
    if metric_id is not None and METRICS[metric_id].needs == "survival":
        found = find_survival_columns(train, test)
        if isinstance(found, tuple) and len(shape.value_columns) == 1:
            name = shape.value_columns[0]
            means = what_scores_mean(name)
            warnings.append(
                f'survival: "{shown(found[1])}" is how long, "{shown(found[0])}" whether an event came; '
                f'a high "{shown(name)}" is taken for a {"long survival" if means == "survival" else "high risk"}'
            )
            return TargetPlan([Target(name, "survival", None, (*found, means))], "value", {}, warnings)
        warnings.append(found if isinstance(found, str) else "no survival: the submission has more than one column to predict")
        metric_id = None
    lower_train = {c.lower(): c for c in train.columns}
    answer = _plan_answer(train, test, shape, metric_id, recast)
    if answer is not None:
        return TargetPlan([answer], "answer", {}, warnings)
    named = [c if c in train.columns else lower_train.get(c.lower()) for c in shape.value_columns]
    if all(named):
        columns = [c for c in named if c is not None]
        targets = [make_target(train, c, metric_id) for c in columns]
        return TargetPlan(targets, _form(targets, metric_id, shape), {}, warnings)
    only_train = [c for c in train.columns if c not in test.columns or test.column(c).null_count == test.rows]
    if not only_train:
        raise BadInput(
            f'The target "{shown(shape.value_columns[0])}" is not in {shown(train.name)}, which has no column that {shown(test.name)} lacks; '
            "is this the right training file?"
        )
    if len(shape.value_columns) > 1:
        found = _class_columns(train, only_train, shape)
        quantiles = find_quantiles(shape.value_columns) if found is None else None
        if quantiles is not None:
            column = _single_target(only_train, train, shape)
            warnings.append(
                f'the submission wants {len(quantiles)} quantiles of "{shown(column)}": {shown(", ".join(f"{q:g}" for q in quantiles), 120)}'
            )
            target = make_target(train, column, "mean_pinball")
            return TargetPlan([Target(target.name, "quantile", None, None, quantiles)], "quantiles", {}, warnings)
        if found is None:
            missing = next(c for c, n in zip(shape.value_columns, named, strict=True) if n is None)
            raise BadInput(
                f'The submission column "{shown(missing)}" is neither a column of {shown(train.name)} nor a class of its target.'
            )
        target, mapping = found
        return TargetPlan([target], "class_columns", mapping, warnings)
    column = _single_target(only_train, train, shape)
    warnings.append(f'target guessed: "{shown(column)}" of {shown(train.name)} for the submission column "{shown(shape.value_columns[0])}"')
    target = make_target(train, column, metric_id)
    if target.classes and len(target.classes) == 2 and shape.value_columns[0] in target.classes:
        positive = shape.value_columns[0]
        target = Target(target.name, target.type, [c for c in target.classes if c != positive] + [positive])
    return TargetPlan([target], _form([target], metric_id, shape), {}, warnings)


def _plan_answer(train: TextTable, test: TextTable, shape: SubmissionShape, metric_id: str | None, recast: str | None) -> Target | None:
    """A single target whose answers are texts: asked for by the metric, or plain from what the labels are."""
    if len(shape.value_columns) != 1:
        return None
    wanted = shape.value_columns[0]
    lower_train = {c.lower(): c for c in train.columns}
    column = wanted if wanted in train.columns else lower_train.get(wanted.lower())
    if column is None:
        only_train = [c for c in train.columns if c not in test.columns or test.column(c).null_count == test.rows]
        if len(only_train) != 1:
            return None
        column = only_train[0]
    cells = train.column(column).drop_null().slice(0, _ANSWER_ROWS).to_pylist()
    if not cells and recast is None:
        return None
    kind = _answer_type(cells, METRICS[metric_id].needs if metric_id else None, metric_id, recast)
    return None if kind is None else Target(column, kind, None)


def _answer_type(cells: list[str], needs: str | None, metric_id: str | None, recast: str | None) -> str | None:
    if recast == "masks" and needs == "mask":
        # Judged by all pixels that are marked in an image: one mask.
        return "mask"
    if recast is not None:
        return recast
    if needs in (None, "box") and looks_like_runs(cells):
        return "mask"
    asked = {need: kind for kind, need in ANSWER_TYPES.items() if kind not in ("boxes", "masks")}.get(needs or "")
    if asked is not None:
        return asked
    if looks_like_items(cells) and not looks_like_runs(cells):
        if metric_id in _OF_LISTS:
            return "list"
        if metric_id in _OF_SETS:
            return "set"
    if needs is None and len(set(cells)) > 0.5 * len(cells) and sum(cell.count(" ") for cell in cells) >= 2 * len(cells):
        return "text"
    return None


_ANSWER_ROWS = 2_000
_OF_LISTS = frozenset({"map_of_classes", "ndcg_by_group", "map_by_group", "recall_by_group"})
_OF_SETS = frozenset({"f1", "f2", "f1_samples", "f1_micro", "jaccard", "jaccard_samples"})
"""Metrics that go by the same name for one label a row and for several."""


_SHARE = re.compile(r"(?:^|[^0-9.])(0?\.\d+)(?:[^0-9]*)$")
_PERCENT = re.compile(
    r"(?:^|[^a-z])(?:q|p|pct|quantile|percentile)[ _-]?(\d{1,2}(?:\.\d+)?)$|(?:^|[^0-9])(\d{1,2}(?:\.\d+)?) ?(?:%|th|pct)$", re.IGNORECASE
)


def find_quantiles(names: list[str]) -> list[float] | None:
    """The levels that columns such as `q0.1`, `p90`, `0.5` or `25%` are named by; None unless every name is one, and no two are the same."""
    levels: list[float] = []
    for name in names:
        share, percent = _SHARE.search(name), _PERCENT.search(name)
        if share is None and percent is None:
            return None
        level = (
            float(share[1]) if share is not None else float(next(g for g in percent.groups() if g)) / 100 if percent is not None else 0.0
        )
        levels.append(level)
    return levels if len(set(levels)) == len(levels) and all(0 < level < 1 for level in levels) else None


def _single_target(only_train: list[str], train: TextTable, shape: SubmissionShape) -> str:
    if len(only_train) == 1:
        return only_train[0]
    wanted = re.sub(r"predicted|prediction|prob(ability)?|_|-|\s", "", shape.value_columns[0].lower())
    for column in only_train:
        plain = re.sub(r"_|-|\s", "", column.lower())
        if column.lower() in ("target", "label", "class", "y", "outcome") or (len(wanted) > 2 and (wanted in plain or plain in wanted)):
            return column
    raise BadInput(
        f'The target cannot be told: the submission wants "{shown(shape.value_columns[0])}", and {shown(train.name)} has {len(only_train)} columns '
        f"that the test table lacks ({shown(', '.join(only_train), 120)})."
    )


def _class_columns(train: TextTable, only_train: list[str], shape: SubmissionShape) -> tuple[Target, dict[str, str]] | None:
    """A training column whose labels are the submission's column names, with or without a common prefix or suffix."""
    for column in only_train:
        labels = _labels(train.column(column))
        if not 2 <= len(labels) <= limits.CLASSES:
            continue
        wanted = {_plain(label): label for label in labels}
        for cut in (lambda c: c, lambda c: _strip_affix(c, shape.value_columns)):
            mapping = {c: wanted.get(_plain(cut(c))) for c in shape.value_columns}
            if all(mapping.values()) and len(set(mapping.values())) == len(mapping):
                classes = [m for m in mapping.values() if m is not None]
                unseen = [label for label in labels if label not in classes]
                if unseen:
                    raise BadInput(
                        f'{shown(train.name)}: the label "{shown(unseen[0])}" of "{shown(column)}" has no column in the submission.'
                    )
                kind = "binary" if len(classes) == 2 else "multiclass"
                return Target(column, kind, classes), {k: v for k, v in mapping.items() if v is not None}
    return None


def _plain(text: str) -> str:
    low = text.strip().lower()
    return re.sub(r"\.0+$", "", low) if re.fullmatch(r"-?\d+\.0+", low) else re.sub(r"[\s_-]+", "_", low)


def _strip_affix(name: str, names: list[str]) -> str:
    first, last = min(names), max(names)
    start = 0
    while start < min(len(first), len(last)) and first[start] == last[start]:
        start += 1
    start = max(first.rfind("_", 0, start + 1), first.rfind(" ", 0, start + 1)) + 1 if start else 0
    return name[start:]


def _labels(column: pa.ChunkedArray) -> list[str]:
    return [v for v in pc.unique(column).to_pylist() if v is not None]


def make_target(train: TextTable, name: str, metric_id: str | None) -> Target:
    """Type of one target from its training labels and the metric's needs. Raises BadInput for a target without use."""
    column = train.column(name)
    labels = _labels(column)
    if not labels:
        raise BadInput(f'{shown(train.name)}: the target "{shown(name)}" is empty in every row.')
    numbers = parse_numbers(column, train.format.decimal)
    needs = METRICS[metric_id].needs if metric_id else None
    distinct = len(labels)
    if needs in ("value", "quantile") or (needs == "gini" and numbers is not None and distinct > 2):
        if numbers is None:
            bad = next((v for v in labels if parse_numbers(pa.chunked_array([[v]]), train.format.decimal) is None), labels[0])
            raise BadInput(f'{shown(train.name)}: the target "{shown(name)}" must be a number for this metric, but holds "{shown(bad)}".')
        return Target(name, "regression", None)
    is_number = numbers is not None
    whole = is_number and bool(pc.all(pc.equal(pc.floor(numbers), numbers)).as_py())
    if needs is None and is_number and not (distinct == 2 or (whole and distinct <= 30 and distinct * 10 <= train.rows)):
        return Target(name, "regression", None)
    if distinct == 1:
        raise BadInput(
            f'{shown(train.name)}: the target "{shown(name)}" has a single value ("{shown(labels[0])}"); there is nothing to learn.'
        )
    if distinct > limits.CLASSES:
        raise BadInput(f'{shown(train.name)}: the target "{shown(name)}" has {distinct} classes; the limit is {limits.CLASSES}.')
    longest = max(len(v) for v in labels)
    if longest > limits.NAME_CHARACTERS:
        raise BadInput(f'{shown(train.name)}: a class of "{shown(name)}" has {longest} characters; this is free text, not a class.')
    return Target(name, "binary" if distinct == 2 else "multiclass", order_classes(labels))


def order_classes(labels: list[str]) -> list[str]:
    """Numbers by value, else by text; of two, the one that means yes comes last."""
    try:
        return sorted(labels, key=float)
    except ValueError:
        ordered = sorted(labels)
    if len(ordered) == 2 and ordered[0].strip().lower() in _POSITIVE and ordered[1].strip().lower() not in _POSITIVE:
        ordered.reverse()
    return ordered


def _form(targets: list[Target], metric_id: str | None, shape: SubmissionShape) -> str:
    if metric_id == "map_of_classes" and len(targets) == 1:
        if any(" " in label for label in targets[0].classes or []):
            raise BadInput(f'A class of "{shown(targets[0].name)}" holds a blank, so classes cannot be listed with blanks between them.')
        return "ranking"
    if all(t.type == "regression" for t in targets):
        return "value"
    if metric_id is None or METRICS[metric_id].needs == "label":
        return "label"
    if any(t.type == "multiclass" for t in targets):
        raise BadInput(
            f"The metric needs one probability column a class, but the submission has only {shown(', '.join(shape.value_columns), 120)}."
        )
    return "probability"
