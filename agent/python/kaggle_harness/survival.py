"""Targets of survival: which training columns say how long a row was watched, and whether an event ended it."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .column_types import parse_numbers
from .errors import shown
from .tables import TextTable

_EVENT = re.compile(r"(event|efs|status|death|dead|died|churn|censor|relapse|fail)", re.IGNORECASE)
_DURATION = re.compile(r"(time|duration|tenure|days|months|weeks|years|survival)", re.IGNORECASE)
_LONG = re.compile(r"(time|surviv|duration|days|months|tenure|lifetime)", re.IGNORECASE)
_CENSORED = re.compile(r"censor", re.IGNORECASE)


def find_survival_columns(train: TextTable, test: TextTable) -> tuple[str, str] | str:
    """Event column and duration column, of those that the test table lacks; or why there are none."""
    able = [c for c in train.columns if c not in test.columns or test.column(c).null_count == test.rows]
    numbers = {c: _read_numbers(train, c) for c in able}
    events = [c for c, values in numbers.items() if values is not None and set(np.unique(values[~np.isnan(values)])) == {0.0, 1.0}]
    durations = [c for c, values in numbers.items() if values is not None and c not in events and _may_be_durations(values)]
    event, duration = _choose(events, _EVENT), _choose(durations, _DURATION)
    if event is None or duration is None:
        listed = shown(", ".join(able) or "none", 120)
        return f"no survival: that needs a column of times and one of events (0 or 1) that the test table lacks; the columns are {listed}"
    if _CENSORED.search(event):
        return f'no survival: "{shown(event)}" seems to mark rows without an event; a column that is 1 for an event is needed'
    return event, duration


def what_scores_mean(submission_column: str) -> str:
    """`survival` where the submission asks for times by its column's name, else `risk`."""
    return "survival" if _LONG.search(submission_column) else "risk"


def _may_be_durations(values: NDArray[np.float64]) -> bool:
    return bool(np.nanmin(values) >= 0) and len(np.unique(values[~np.isnan(values)])) > 2


def _read_numbers(train: TextTable, column: str) -> NDArray[np.float64] | None:
    numbers = parse_numbers(train.column(column), train.format.decimal)
    return None if numbers is None else pc.cast(numbers, pa.float64()).to_numpy(zero_copy_only=False)


def _choose(columns: list[str], pattern: re.Pattern[str]) -> str | None:
    """The one that is named so, or the only one."""
    named = [c for c in columns if pattern.search(c)]
    return named[0] if named else columns[0] if len(columns) == 1 else None
