"""Reads the competition folder once and says what the task is: file roles, targets, types, groups, time, submission format."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .column_types import TypedColumn, parse_numbers, type_column
from .errors import BadInput, shown
from .limits import DESCRIPTION_CHARACTERS
from .metric_table import METRICS
from .roles import DataFiles, read_data_files
from .structure import find_group_column, find_query_column, find_time_column, find_weight_column
from .submission_format import SubmissionShape, find_shape, is_id_name, tied_test_column
from .targets import TargetPlan, plan_targets


class Competition:
    """The folder as read: text tables, and typed features of train and test rows together (train first)."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.files: DataFiles = read_data_files(data_dir)
        self._typed: dict[str, TypedColumn] = {}

    def typed(self, column: str) -> TypedColumn:
        """A column that both tables have, typed over all rows."""
        if column not in self._typed:
            train, test = self.files.train, self.files.test
            decimal = "," if "," in (train.format.decimal, test.format.decimal) else "."
            chunks = [*train.column(column).chunks, *test.column(column).chunks]
            self._typed[column] = type_column(pa.chunked_array(chunks, type=pa.string()), decimal)
        return self._typed[column]


def make_profile(competition: Competition, description: str, metric_id: str | None) -> dict[str, Any]:
    """The TaskProfile of the protocol. Raises BadInput naming file, column or row."""
    data = competition.files
    warnings = list(data.warnings)
    shape = find_shape(data, description[:DESCRIPTION_CHARACTERS])
    id_columns = _test_id_columns(data, shape)
    plan = plan_targets(data.train, data.test, shape, metric_id)
    warnings += plan.warnings
    if any(t.name in ("key", "key_") for t in plan.targets):
        raise BadInput(
            f'{shown(data.train.name)}: a target named "key" is not supported, since run folders name their rows so; rename the column.'
        )
    _check_ids(data, shape, id_columns)
    target_names = {t.name for t in plan.targets}
    missing = sum(int(data.train.column(name).null_count) for name in target_names)
    if missing:
        warnings.append(f"{missing} training labels are missing; rows without a label are left out")
    both = [c for c in data.test.columns if c in data.train.columns and c not in target_names]
    only_train = [c for c in data.train.columns if c not in data.test.columns and c not in target_names]
    if only_train:
        warnings.append(f"columns only in the training set are not given to solutions: {shown(', '.join(only_train), 200)}")
    only_test = [c for c in data.test.columns if c not in data.train.columns]
    if only_test:
        warnings.append(f"columns only in the test set are not given to solutions: {shown(', '.join(only_test), 200)}")
    types = {c: competition.typed(c).kind for c in both}
    group = find_group_column(competition, both, id_columns)
    time = find_time_column(competition, [c for c in both if c not in id_columns])
    unit = "groups" if group else "time" if time else "rows"
    ids = [c for c in both if (c in id_columns or _is_row_id(data, c, types[c])) and c != group]
    features = [c for c in both if c not in ids and c != group and types[c] != "constant"]
    constant = [c for c in both if types[c] == "constant"]
    if constant:
        warnings.append(f"constant columns are left out: {shown(', '.join(constant), 200)}")
    if not features:
        raise BadInput(f"{shown(data.test.name)} and {shown(data.train.name)} have no feature column in common besides ids.")
    extras = METRICS[metric_id].extras if metric_id else ()
    unused = [f.name for f in data.files if f.role == "table"]
    if unused:
        warnings.append(f"other tables are not given to solutions: {shown(', '.join(unused), 200)}")
    return {
        "schema_version": 1,
        "kind": "rows",
        "shape": unit,
        "files": [{"name": f.name, "role": f.role, "bytes": f.bytes} for f in data.files[:500]],
        "targets": [{"name": t.name, "type": t.type, "classes": t.classes} for t in plan.targets],
        "id_columns": ids,
        "group_column": group,
        "time_column": time if unit == "time" else None,
        "weight_column": find_weight_column(competition) if "weights" in extras else None,
        "query_column": find_query_column(competition, both) if "groups" in extras else None,
        "train_rows": data.train.rows,
        "test_rows": data.test.rows,
        "feature_columns": features,
        "column_types": types,
        "submission": _submission(data, shape, plan, metric_id),
        "warnings": [w[:500] for w in warnings],
    }


def _test_id_columns(data: DataFiles, shape: SubmissionShape) -> list[str]:
    if data.sample is None or shape.source != "sample-file":
        return [c for c in shape.id_columns if c in data.test.columns]
    tied = [tied_test_column(data.sample, c, data.test) for c in shape.id_columns]
    return [c for c in tied if c is not None]


def _check_ids(data: DataFiles, shape: SubmissionShape, id_columns: list[str]) -> None:
    for column in id_columns:
        ids = data.test.column(column)
        if ids.null_count:
            row = int(np.flatnonzero(ids.is_null().to_numpy())[0]) + 1
            raise BadInput(f'{shown(data.test.name)}: the id column "{shown(column)}" is empty in row {row}; every test row needs an id.')
    if id_columns:
        keys = join_keys([data.test.column(c) for c in id_columns])
        counts = pc.value_counts(keys)
        twice = pc.filter(counts.field("values"), pc.greater(counts.field("counts"), 1))
        if len(twice):
            raise BadInput(
                f'{shown(data.test.name)}: the id "{shown(twice[0].as_py())}" occurs more than once; ids must name one row each.'
            )


def join_keys(columns: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    """One text key a row from one or more id columns."""
    if len(columns) == 1:
        return columns[0]
    return pc.binary_join_element_wise(*[pc.fill_null(c, "") for c in columns], "\x1f")


def _is_row_id(data: DataFiles, column: str, kind: str) -> bool:
    """A further column that only names rows: unique over both tables and named like an id, or a plain row counter."""
    if kind not in ("numeric", "categorical"):
        return False
    train, test = data.train.column(column), data.test.column(column)
    if not is_id_name(column):
        return False
    return pc.count_distinct(train).as_py() >= 0.98 * len(train) and pc.count_distinct(test).as_py() >= 0.98 * len(test)


def _submission(data: DataFiles, shape: SubmissionShape, plan: TargetPlan, metric_id: str | None) -> dict[str, Any]:
    form = plan.form
    if metric_id is None and form == "label" and data.sample is not None and all(len(t.classes or []) == 2 for t in plan.targets):
        values = [parse_numbers(data.sample.column(c), shape.format.decimal) for c in shape.value_columns]
        if all(v is not None and pc.any(pc.not_equal(pc.floor(v), v)).as_py() for v in values):
            form = "probability"
    name = shape.file_name
    for suffix in (".gz", ".zip"):
        name = name if not name.lower().endswith(suffix) else name[: -len(suffix)]
    rows = data.test.rows
    return {
        "source": shape.source,
        "file_name": name,
        "separator": shape.format.separator,
        "encoding": shape.format.encoding,
        # Packed as the sample is: somebody wants it so. (What Kaggle packs for the way is unpacked by its client.)
        "compression": shape.format.compression,
        "decimal": shape.format.decimal,
        "columns": shape.columns,
        "id_columns": shape.id_columns,
        "target_columns": shape.value_columns,
        "row_count": rows,
        "form": form,
    }
