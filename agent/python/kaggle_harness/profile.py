"""Reads the competition folder once and says what the task is: file roles, targets, types, groups, time, submission format."""

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .answers import ANSWER_TYPES, AnswerPool
from .column_types import parse_numbers, time_numbers
from .competition import Competition
from .errors import BadInput, shown
from .given_columns import Series, describe_given
from .labels import read_labels
from .limits import DESCRIPTION_CHARACTERS, MEDIA_BYTES, TABLES_BYTES
from .metric_table import METRICS
from .roles import DataFiles
from .row_unit import RowUnit, decide_unit, default_fold_count, series_codes
from .side_tables import Times, describe_tables
from .structure import find_query_column, find_weight_column
from .submission_format import SubmissionShape, find_shape, is_id_name, tied_test_column
from .table_leaks import Labels
from .targets import TargetPlan, plan_targets

_ONE_AT_A_TIME = re.compile(
    r"kaggle_evaluation|inference[ _]server|time[- ]series api|(evaluation|submission|inference) api|(one|single) (row|sample|batch|observation) at a time|row by row",
    re.IGNORECASE,
)

_RUNS_BESIDE_FOLDS = 4
"""Whose folders lie beside those of the folds: the final run, and three probes."""

_EMPTY_ANSWERS = frozenset({"list", "set", "mask", "masks", "boxes"})
"""Types of targets for which nothing is an answer, too."""


def make_profile(
    competition: Competition, description: str, metric_id: str | None, wanted: dict[str, Any] | None, staging_bytes: int
) -> dict[str, Any]:
    """The TaskProfile of the protocol. Raises BadInput naming file, column or row.

    `wanted`: what the caller asks for instead of what would be found; `staging_bytes`: for the tables and files of all runs together.
    """
    data, wanted = competition.files, wanted or {}
    allow_leaks = bool(wanted.get("allow_data_leaks"))
    warnings = list(data.warnings)
    shape = find_shape(data, description[:DESCRIPTION_CHARACTERS])
    id_columns = _test_id_columns(data, shape)
    plan = plan_targets(data.train, data.test, shape, metric_id, _recast_type(competition))
    warnings += plan.warnings
    _check_names(data, plan)
    _check_ids(data, shape, id_columns)
    target_names = {c for t in plan.targets for c in t.label_columns()}
    both = [c for c in data.test.columns if c in data.train.columns and c not in target_names]
    warnings += _warn_of_columns(data, target_names, [c for t in plan.targets if t.type not in _EMPTY_ANSWERS for c in t.label_columns()])
    run_bytes = staging_bytes // (default_fold_count(data.train.rows) + _RUNS_BESIDE_FOLDS)
    media, media_warnings, media_bytes = _choose_media(competition, min(run_bytes, MEDIA_BYTES))
    warnings += media_warnings
    types = {c: "media" if c in media else competition.typed(c).kind for c in both}
    # One column names rows; several together do, and each of them says something of its own.
    row_ids = [c for c in id_columns if len(id_columns) == 1 and types.get(c) != "datetime"]
    unit = decide_unit(competition, both, row_ids, wanted, media)
    ids = [c for c in both if (c in row_ids or _is_row_id(data, c, types[c])) and c not in (unit.group, unit.time, *unit.entities)]
    targets = [t.describe() for t in plan.targets]
    values, labelled = read_labels(competition, targets, AnswerPool())
    given = _describe_given(
        competition, unit, [c for c in both if c not in ids and c not in media], (targets, values, labelled), allow_leaks
    )
    dropped = {g["name"] for g in given if g["how"] == "dropped"}
    features = [c for c in both if c not in ids and c != unit.group and types[c] not in ("constant", "media") and c not in dropped]
    constant = [c for c in both if types[c] == "constant"]
    if constant:
        warnings.append(f"constant columns are left out: {shown(', '.join(constant), 200)}")
    extras = METRICS[metric_id].extras if metric_id else ()
    labels = _make_labels(data, plan, values, labelled)
    table_bytes = min(run_bytes - media_bytes, TABLES_BYTES)
    tables = describe_tables(competition, both, labels, labelled, _side_times(competition, unit), allow_leaks, table_bytes)
    if not features and not media and not any(t["given"] != "withheld" for t in tables):
        raise BadInput(f"{shown(data.test.name)} and {shown(data.train.name)} have no feature column in common besides ids.")
    warnings += [g["reason"] for g in given] + [f"{shown(t['file'])}: {t['given']}: {t['reason']}" for t in tables]
    return {
        "schema_version": 1,
        "kind": "rows",
        **_describe_unit(competition, unit),
        "files": [{"name": f.name, "role": f.role, "bytes": f.bytes} for f in data.files[:500]],
        "targets": targets,
        "id_columns": ids,
        "group_column": unit.group,
        "time_column": unit.time,
        "entity_columns": unit.entities,
        "weight_column": find_weight_column(competition) if "weights" in extras else None,
        "query_column": find_query_column(competition, both) if "groups" in extras and "histories" not in extras else None,
        "train_rows": data.train.rows,
        "test_rows": data.test.rows,
        "feature_columns": features,
        "column_types": types,
        "given_columns": given,
        "media_columns": media,
        "tables": tables,
        "one_row_at_a_time": _asks_for_rows(description, wanted),
        "submission": _submission(data, shape, plan, metric_id),
        "warnings": [w[:500] for w in warnings],
    }


def _choose_media(competition: Competition, most_bytes: int) -> tuple[list[str], list[str], int]:
    """Columns whose files solutions get, what to say of them or of those that they do not get, and the bytes of a run's copy."""
    paths = {path for column in competition.media for path in (*column.train, *column.test) if path is not None}
    size = sum(path.stat().st_size for path in paths)
    names = [column.name for column in competition.media]
    if size <= most_bytes:
        return names, [f"the files that {shown(', '.join(names))} names are given to solutions"] if names else [], size
    left_out = (
        f"the files that rows name have {size >> 20} MiB, more than every run can be given ({most_bytes >> 20} MiB): they are left out"
    )
    return [], [left_out], 0


def _warn_of_columns(data: DataFiles, target_names: set[str], label_columns: list[str]) -> list[str]:
    """What solutions will not see: labels that are missing, columns of one side only."""
    warnings: list[str] = []
    missing = sum(int(data.train.column(name).null_count) for name in label_columns)
    if missing:
        warnings.append(f"{missing} training labels are missing; rows without a label are left out")
    only_train = [c for c in data.train.columns if c not in data.test.columns and c not in target_names]
    only_test = [c for c in data.test.columns if c not in data.train.columns]
    for columns, side in ((only_train, "training"), (only_test, "test")):
        if columns:
            warnings.append(f"columns only in the {side} set are not given to solutions: {shown(', '.join(columns), 200)}")
    return warnings


def _describe_given(
    competition: Competition, unit: RowUnit, columns: list[str], labels: tuple[list[dict], list, NDArray[np.int64]], allow_leaks: bool
) -> list[dict[str, Any]]:
    """For blocks of time: columns that the test has filled otherwise than the training rows."""
    times = _read_times(competition, unit)
    if times is None:
        return []
    series = series_codes([competition.typed(c).values for c in unit.entities]) if unit.entities else np.zeros(len(times), dtype=np.int64)
    split = competition.files.train.rows
    others = [c for c in columns if c != unit.time and c not in unit.entities]
    data = Series({c: (competition.typed(c).kind, competition.typed(c).values) for c in others}, times, series, split)
    targets, values, labelled = labels
    numbers = {
        t["name"]: _spread_labels(v, labelled, split) for t, v in zip(targets, values, strict=True) if t["type"] in ("regression", "quantile")
    }  # fmt: skip
    return describe_given(data, numbers, allow_leaks)


def _describe_unit(competition: Competition, unit: RowUnit) -> dict[str, Any]:
    """The shape, why, and how sure that is."""
    if competition.recommender is None:
        return {"shape": unit.unit, "shape_reason": unit.reason[:300], "shape_confidence": unit.confidence, "recommender": None}
    found = competition.recommender
    which = f'last, by "{shown(found.time)}"' if found.time is not None else "by chance"
    reason = (
        f'the submission lists values of "{shown(found.item)}" for each "{shown(found.user)}": '
        f"{found.held_out} interactions of each are held out, {'the ' if found.time is not None else ''}{which}"
    )
    return {"shape": "recommender", "shape_reason": reason[:300], "shape_confidence": "likely", "recommender": found.describe()}


def _make_labels(data: DataFiles, plan: TargetPlan, values: list[NDArray], labelled: NDArray[np.int64]) -> Labels:
    """What tables beside are held against: each label column on its own."""
    names: list[str] = []
    classes: list[list[str] | None] = []
    columns: list[NDArray] = []
    for target, labels in zip(plan.targets, values, strict=True):
        if target.type in ANSWER_TYPES:
            continue  # told from its texts alone, by its name
        names += target.label_columns()
        classes += [target.classes] if target.survival is None else [["0", "1"], None]
        columns += [labels] if target.survival is None else [labels[:, 1].astype(np.int64), labels[:, 0]]
    spread = [_spread_labels(column, labelled, data.train.rows) for column in columns]
    return Labels(names, classes, spread, [data.train.column(name) for name in names])


def _spread_labels(values: NDArray, labelled: NDArray[np.int64], rows: int) -> NDArray:
    """Labels in the places of their rows; what has none is NaN, or −1 for classes."""
    spread = np.full(rows, np.nan if values.dtype == np.float64 else -1, dtype=values.dtype)
    spread[labelled] = values
    return spread


def _side_times(competition: Competition, unit: RowUnit) -> Times | None:
    times = _read_times(competition, unit)
    return None if times is None or unit.time is None else Times(unit.time, float(np.nanmin(times[competition.files.train.rows :])))


def _read_times(competition: Competition, unit: RowUnit) -> NDArray[np.float64] | None:
    """Of training and test rows, for blocks of time."""
    return None if unit.time is None else time_numbers(competition.typed(unit.time).values, competition.typed(unit.time).kind)


def _asks_for_rows(description: str, wanted: dict[str, Any]) -> bool:
    """Whether the competition hands out its test rows one at a time, as code competitions with an API do."""
    asked = wanted.get("one_row_at_a_time")
    return bool(asked) if asked is not None else _ONE_AT_A_TIME.search(description[:DESCRIPTION_CHARACTERS]) is not None


def _test_id_columns(data: DataFiles, shape: SubmissionShape) -> list[str]:
    if data.sample is None or shape.source != "sample-file":
        return [c for c in shape.id_columns if c in data.test.columns]
    tied = [tied_test_column(data.sample, c, data.test) for c in shape.id_columns]
    return [c for c in tied if c is not None]


def _recast_type(competition: Competition) -> str | None:
    """What the answers of a recast task are."""
    if competition.has_instances:
        return "masks"
    return "list" if competition.recommender is not None else "boxes" if competition.boxes is not None else None


def _check_names(data: DataFiles, plan: TargetPlan) -> None:
    if any(t.name in ("key", "key_") for t in plan.targets):
        raise BadInput(
            f'{shown(data.train.name)}: a target named "key" is not supported, since run folders name their rows so; rename the column.'
        )


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
