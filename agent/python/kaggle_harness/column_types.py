"""Types of columns, judged over train and test together, so that both always have the same one. Never looks at a target."""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MISSING = ["", "NA", "N/A", "#N/A", "NaN", "nan", "NAN", "NULL", "null", "<NA>"]
_MISSING_NUMBER = [*MISSING, "None", "none", "?", "-", "."]
_DATE = re.compile(
    r"^(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|\d{1,2}/\d{1,2}/\d{2})"
    r"([ T]\d{1,2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?\s?(Z|UTC|[+-]\d{2}:?\d{2}|AM|PM)?$"
)
_SAMPLE_ROWS = 2000
EXACT_BELOW = 2.0**53
"""Whole numbers from here on are not told apart as floats."""


@dataclass(frozen=True)
class TypedColumn:
    """One column in its final form: `kind` is the word of the profile, `values` the Arrow array (train rows first, then test)."""

    kind: str
    values: pa.ChunkedArray


def parse_numbers(text: pa.ChunkedArray, decimal: str = ".") -> pa.ChunkedArray | None:
    """Text as float64 (or int64 when every value is whole), or None when a cell is no number. Infinite becomes null."""
    clean = pc.utf8_trim_whitespace(text)
    clean = pc.if_else(pc.is_in(clean, value_set=pa.array(_MISSING_NUMBER)), pa.scalar(None, pa.string()), clean)
    if clean.null_count == len(clean):
        return None
    if decimal == ",":
        clean = pc.replace_substring(clean, ",", ".")
    try:
        numbers = pc.cast(clean, pa.float64())
    except pa.ArrowInvalid:
        return None
    numbers = pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))
    if pc.any(pc.starts_with(clean, "0")).as_py() and pc.any(pc.match_substring_regex(clean, r"^0[0-9]")).as_py():
        return None  # leading zeros: a code, not a number
    whole = pc.all(pc.and_(pc.equal(pc.floor(numbers), numbers), pc.less(pc.abs(numbers), EXACT_BELOW))).as_py()
    if whole and not pc.any(pc.match_substring(clean, ".")).as_py():
        return pc.cast(numbers, pa.int64())
    return numbers


def type_column(text: pa.ChunkedArray, decimal: str = ".") -> TypedColumn:
    """Judges one column over all rows given."""
    numbers = parse_numbers(text, decimal)
    if numbers is not None and not _are_long_codes(text, numbers):
        distinct = pc.count_distinct(numbers, mode="all").as_py()
        return TypedColumn("constant" if distinct <= 1 else "numeric", numbers)
    values = pc.if_else(pc.is_in(text, value_set=pa.array(MISSING)), pa.scalar(None, pa.string()), text)
    distinct = pc.count_distinct(values, mode="only_valid").as_py()
    if distinct + (values.null_count > 0) <= 1:
        return TypedColumn("constant", values)
    lowered = {str(v).lower() for v in pc.unique(values.slice(0, _SAMPLE_ROWS)).to_pylist() if v is not None}
    if distinct <= 4 and lowered <= {"true", "false"}:
        low = pc.utf8_lower(values)
        if pc.all(pc.is_in(pc.drop_null(low), value_set=pa.array(["true", "false"]))).as_py():
            return TypedColumn("boolean", pc.equal(low, "true"))
    sample = _spread(values)
    if sample and sum(bool(_DATE.match(v.strip())) for v in sample) >= 0.98 * len(sample):
        return TypedColumn("datetime", values)
    return TypedColumn("text" if _is_text(sample, distinct, len(values) - values.null_count) else "categorical", values)


def _are_long_codes(text: pa.ChunkedArray, numbers: pa.ChunkedArray) -> bool:
    """Digits only, and more of them than a float has: names, which as numbers would be the same."""
    if (pc.max(pc.abs(numbers)).as_py() or 0) < EXACT_BELOW:
        return False
    return pc.all(pc.match_substring_regex(text.drop_null(), r"^\s*\d+\s*$")).as_py() is True


def _spread(values: pa.ChunkedArray) -> list[str]:
    present = pc.drop_null(values)
    step = max(1, len(present) // _SAMPLE_ROWS)
    return present.take(pa.array(np.arange(0, len(present), step))).to_pylist()


def _is_text(sample: list[str], distinct: int, present: int) -> bool:
    if not sample or distinct < 0.2 * present or distinct < 20:
        return False
    words = float(np.mean([v.count(" ") + 1 for v in sample]))
    length = float(np.mean([len(v) for v in sample]))
    return (words >= 2.5 and length >= 12) or length >= 60 or (words >= 1.8 and distinct >= 0.7 * present)


def time_numbers(values: pa.ChunkedArray, kind: str) -> np.ndarray | None:
    """Seconds (datetime text) or plain numbers that order rows in time, NaN where missing; None when the column cannot order rows."""
    if kind == "numeric":
        return pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False)
    if kind != "datetime":
        return None
    import pandas as pd

    series = pd.Series(values.to_pylist(), dtype="object")
    day_first = series.dropna().head(5000).str.extract(r"^(\d{1,2})[-/.]\d{1,2}[-/.]\d", expand=False).astype("float64")
    is_day_first = bool((day_first > 12).any())
    # Each text once: reading is slow, and dates repeat.
    codes, texts = pd.factorize(series)
    parsed = pd.to_datetime(texts, errors="coerce", utc=True, format="mixed", dayfirst=is_day_first)
    seconds = np.append(parsed.to_numpy(dtype="datetime64[ns]").astype("int64").astype("float64") / 1e9, np.nan)
    seconds[:-1][parsed.isna()] = np.nan
    # Missing values have code −1, the last place.
    return seconds[codes]
