"""The submission's format: from the sample file, else from a block in the description, else from the test file."""

import html
import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from .errors import BadInput, shown
from .limits import DESCRIPTION_CHARACTERS
from .roles import DataFiles
from .table_format import TableFormat
from .tables import TextTable

_PLAIN = TableFormat(",", "utf-8", "none", ".")


@dataclass(frozen=True)
class SubmissionShape:
    """Columns in order; the first group names rows, the rest is to be filled."""

    source: str
    file_name: str
    format: TableFormat
    columns: list[str]
    id_columns: list[str]
    value_columns: list[str]
    row_count: int


def find_shape(data: DataFiles, description: str) -> SubmissionShape:
    """Decides the shape. Raises BadInput when no id column ties the submission to the test rows."""
    if data.sample is not None and data.sample_file is not None:
        return _from_sample(data)
    header = find_header_in_text(description, data.test.columns, data.train.columns)
    if header:
        ids = [c for c in header if c in data.test.columns][:1]
        return SubmissionShape("description", "submission.csv", _PLAIN, header, ids, [c for c in header if c not in ids], data.test.rows)
    key = find_key_column(data.test, data.train)
    if key is None:
        raise BadInput(f"There is no sample submission, and {shown(data.test.name)} has no column whose values name its rows (an id).")
    only_train = [c for c in data.train.columns if c not in data.test.columns]
    if len(only_train) > 1:
        telling = [c for c in only_train if c.lower() in ("target", "label", "class", "y", "outcome")]
        only_train = telling[:1] or only_train
    if len(only_train) != 1:
        what = "no column that the test table lacks" if not only_train else "several columns that the test table lacks"
        raise BadInput(f"There is no sample submission and the target cannot be told: {shown(data.train.name)} has {what}.")
    return SubmissionShape("test-file", "submission.csv", _PLAIN, [key, only_train[0]], [key], only_train, data.test.rows)


def _from_sample(data: DataFiles) -> SubmissionShape:
    sample, file = data.sample, data.sample_file
    assert sample is not None and file is not None
    if sample.rows == 0:
        raise BadInput(f"{shown(sample.name)} has a header but no rows.")
    lower_test = {c.lower(): c for c in data.test.columns}
    ids: list[str] = []
    for column in sample.columns:
        match = column if column in data.test.columns else lower_test.get(column.lower())
        if match is not None and not _is_empty(data.test.column(match)) and _ids_agree(sample.column(column), data.test.column(match)):
            ids.append(column)
    if not ids:
        key = next((c for c in sample.columns if _tied_column(sample, c, data.test)), None)
        if key is None:
            first = sample.columns[0]
            if (
                sample.rows == data.test.rows
                and first.lower() in ("id", "row", "row_id", "index", "")
                and _is_counter(sample.column(first))
            ):
                key = first
            else:
                raise BadInput(
                    f'{shown(sample.name)}: no column names rows of {shown(data.test.name)} (looked at "{shown(first)}"); the ids must be in the test table.'
                )
        ids = [key]
    values = [c for c in sample.columns if c not in ids]
    if not values:
        raise BadInput(f"{shown(sample.name)} has only id columns ({shown(', '.join(ids))}); it needs a column to predict.")
    return SubmissionShape("sample-file", file.path.name, sample.format, sample.columns, ids, values, sample.rows)


def _is_empty(column: pa.ChunkedArray) -> bool:
    return column.null_count == len(column)


def _is_counter(column: pa.ChunkedArray) -> bool:
    return pc.all(pc.match_substring_regex(pc.fill_null(column, ""), r"^\d+$")).as_py() is True and pc.count_distinct(
        column
    ).as_py() == len(column)


def _ids_agree(sample: pa.ChunkedArray, test: pa.ChunkedArray) -> bool:
    """At least 99 of 100 sample ids occur in the test column, and they tell rows apart."""
    distinct = pc.count_distinct(sample).as_py()
    if distinct < 0.5 * len(sample) and distinct < 1000:
        return False
    found = pc.sum(pc.is_in(sample, value_set=pc.unique(test))).as_py() or 0
    return found >= 0.99 * len(sample)


def _tied_column(sample: TextTable, column: str, test: TextTable) -> str | None:
    if pc.count_distinct(sample.column(column)).as_py() != sample.rows:
        return None
    return next((c for c in test.columns if _ids_agree(sample.column(column), test.column(c))), None)


def tied_test_column(sample: TextTable, column: str, test: TextTable) -> str | None:
    """The test column that a sample's id column names rows by: same name, same name in another case, else by values."""
    if column in test.columns and not _is_empty(test.column(column)):
        return column
    lowered = next((c for c in test.columns if c.lower() == column.lower() and not _is_empty(test.column(c))), None)
    return lowered or _tied_column(sample, column, test)


def find_key_column(test: TextTable, train: TextTable) -> str | None:
    """A column that names the rows of the test table: unique, in both tables, named like an id or the first one."""
    unique = [c for c in test.columns if c in train.columns and pc.count_distinct(test.column(c)).as_py() == test.rows]
    named = [c for c in unique if is_id_name(c)]
    return named[0] if named else unique[0] if unique and unique[0] == test.columns[0] else None


def is_id_name(name: str) -> bool:
    """Whether a column name says that it holds ids."""
    return re.search(
        r"(^|[_\s.-])(id|key|uuid|guid)$|^id([_\s]|$)|[a-z]I[dD]$|^(row|index|unnamed: 0|column_1)$",
        name,
        re.IGNORECASE if len(name) < 4 else 0,
    ) is not None or (name.lower() in ("id", "key", "uid", "rowid", "index"))


def find_header_in_text(text: str, test_columns: list[str], train_columns: list[str]) -> list[str] | None:
    """First line in the text that reads like a submission's header: an id of the test table, then at least one other word."""
    plain = html.unescape(re.sub(r"<br ?/?>|</?(?:pre|code|p|div)[^<>]{0,200}>", "\n", text[:DESCRIPTION_CHARACTERS]))
    lines = [line.strip().strip("`").strip() for line in plain.split("\n")]
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        if not 3 <= len(line) <= 2000 or "," not in line:
            continue
        cells = [c.strip().strip("\"'") for c in line.split(",")]
        if len(set(cells)) != len(cells) or cells[0] not in test_columns or not all(re.fullmatch(r"[\w .()/%-]{1,100}", c) for c in cells):
            continue
        looks_like_rows = following.count(",") == line.count(",")
        if looks_like_rows and any(c not in test_columns for c in cells[1:]):
            return cells
        if all(c in train_columns and c not in test_columns for c in cells[1:]):
            return cells
    return None
