"""Checks a submission file against the schema. Reports; never repairs."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .answers import MASK_MARK, check_answer, size_at
from .competition import Competition
from .errors import BadInput, BadOutput, shown
from .file_bytes import read_bytes
from .metric_table import DEVIANCE_METRICS, LOG_VALUE_METRICS, METRICS, RANK_METRICS
from .profile import join_keys
from .submission import class_texts
from .table_format import decode_text
from .tables import TextTable, read_table
from .task import Task

Checks = list[dict[str, Any]]
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
WARNING = "warning: "
"""Checks whose name starts so never make a file invalid."""


def validate_file(task: Task, competition: Competition, path: Path) -> dict[str, Any]:
    """SubmissionReply of the protocol. A file that cannot be read is invalid, not an error."""
    checks: Checks = []
    rows, size, digest = 0, 0, ""
    try:
        raw, _ = read_bytes(path)
        on_disk = path.read_bytes()
        size, digest = len(on_disk), hashlib.sha256(on_disk).hexdigest()
        table = read_table(path)
        rows = table.rows
        _check_table(task, competition, table, raw, checks)
    except BadInput as error:
        _add(checks, "readable", False, str(error))
    valid = bool(checks) and all(c["ok"] for c in checks if not c["name"].startswith(WARNING))
    return {"path": str(path), "sha256": digest, "bytes": size, "rows": rows, "valid": valid, "checks": checks}


def _add(checks: Checks, name: str, ok: bool, detail: str) -> bool:
    checks.append({"name": name, "ok": bool(ok), "detail": detail[:500]})
    return bool(ok)


def _check_table(task: Task, competition: Competition, table: TextTable, raw: bytes, checks: Checks) -> None:
    schema = task.profile["submission"]
    first_line = decode_text(raw, table.name)[0].split(b"\n", 1)[0].rstrip(b"\r").decode("utf-8", errors="replace")
    same = table.columns == [c.strip() for c in schema["columns"]] and (
        len(table.columns) == 1 or table.format.separator == schema["separator"]
    )
    detail = (
        f"{len(table.columns)} columns"
        if same
        else f"expected {shown(schema['separator'].join(schema['columns']), 150)}; got {shown(first_line, 150)}"
    )
    if not _add(checks, "header", same, detail):
        return
    expected, things = len(task.submission_rows), "rows"
    if task.has_instances:
        table, things = _gather_masks(table, schema, checks), "images"
    if not _add(checks, "row count", table.rows == expected, f"{table.rows} {things}, {expected} expected"):
        return
    _check_ids(task, table, checks)
    for position, column in enumerate(schema["target_columns"]):
        _check_values(task, competition, table, column, position, checks)
    if schema["form"] == "class_columns" and all(c["ok"] for c in checks):
        sums = sum(_numbers(table, c) for c in schema["target_columns"])
        off = int(np.sum(np.abs(sums - 1) > 1e-3))
        _add(
            checks,
            "rows sum to 1",
            off == 0,
            "every row" if off == 0 else f"{off} rows do not, the first is row {int(np.argmax(np.abs(sums - 1) > 1e-3)) + 1}",
        )
    if schema["form"] == "quantiles" and all(c["ok"] for c in checks):
        order = np.argsort(task.layout.targets[0].quantiles or [])
        crossed = (np.diff(np.column_stack([_numbers(table, schema["target_columns"][i]) for i in order]), axis=1) < 0).any(axis=1)
        detail = f"{int(crossed.sum())} rows have a lower value for a higher level, the first is row {int(np.argmax(crossed)) + 1}"
        _add(checks, "quantiles in order", not crossed.any(), detail if crossed.any() else "every row")
    _warn(task, competition, table, checks)


def _gather_masks(table: TextTable, schema: dict[str, Any], checks: Checks) -> TextTable:
    """One row an image with all of its masks. An image without any has a single row with an empty cell."""
    ids = pc.fill_null(join_keys([table.column(c) for c in schema["id_columns"]]), "").to_pylist()
    target = schema["target_columns"][0]
    first: dict[str, int] = {}
    masks: dict[str, list[str]] = {}
    for row, (name, mask) in enumerate(zip(ids, table.column(target).to_pylist(), strict=True)):
        first.setdefault(name, row)
        masks.setdefault(name, []).append((mask or "").strip())
    mixed = next((name for name, own in masks.items() if len(own) > 1 and "" in own), None)
    detail = "a row each" if mixed is None else f'"{shown(mixed)}" has {len(masks[mixed])} rows, one of them without a mask'
    _add(checks, f"masks of {shown(target)}", mixed is None, detail)
    data = table.data.take(pa.array(list(first.values()), type=pa.int64()))
    joined = pa.array([MASK_MARK.join(own) for own in masks.values()], type=pa.string())
    place = table.columns.index(target)
    return TextTable(table.name, table.columns, data.set_column(place, data.column_names[place], joined), table.format)


def _check_ids(task: Task, table: TextTable, checks: Checks) -> None:
    names = task.profile["submission"]["id_columns"]
    if not names:
        return
    expected = pc.fill_null(join_keys(task.submission_ids), "")
    got = pc.fill_null(join_keys([table.column(n) for n in names]), "")
    missing = pc.invert(pc.is_in(expected, value_set=pc.unique(got)))
    unknown = pc.invert(pc.is_in(got, value_set=pc.unique(expected)))
    lost, extra = int(pc.sum(missing).as_py() or 0), int(pc.sum(unknown).as_py() or 0)
    detail = "every test id once"
    if lost or extra:
        example = pc.filter(expected, missing)[0].as_py() if lost else pc.filter(got, unknown)[0].as_py()
        detail = f'{lost} ids missing, {extra} unknown; for example "{shown(example)}"'
    elif pc.count_distinct(got).as_py() != len(got):
        detail, extra = "an id occurs twice", 1
    if _add(checks, "ids", not lost and not extra, detail):
        ordered = bool(pc.all(pc.equal(expected, got)).as_py())
        row = 0 if ordered else int(np.argmin(pc.equal(expected, got).to_numpy(zero_copy_only=False))) + 1
        _add(checks, "id order", ordered, "as in the sample" if ordered else f"differs from the sample at row {row}")


def _numbers(table: TextTable, column: str) -> np.ndarray:
    """(rows,) float64; NaN in every cell that is no finite decimal number, and only there."""
    text = pc.utf8_trim_whitespace(table.column(column))
    if table.format.decimal == ",":
        text = pc.replace_substring(text, ",", ".")
    kept = pc.if_else(pc.fill_null(pc.match_substring_regex(text, _NUMBER), False), text, pa.scalar(None, pa.string()))
    return pc.cast(kept, pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)


def _check_values(task: Task, competition: Competition, table: TextTable, column: str, position: int, checks: Checks) -> None:
    schema = task.profile["submission"]
    text = table.column(column)
    if schema["form"] == "label" and (classes := task.layout.targets[position].classes) is not None:
        sample = competition.files.sample
        placeholders = [] if sample is None else [v for v in sample.column(column).unique().to_pylist()[:50] if v is not None]
        known = pc.is_in(text, value_set=pa.array(class_texts(classes, placeholders)))
        bad = np.flatnonzero(~pc.fill_null(known, False).to_numpy(zero_copy_only=False))
        detail = "known classes only" if not len(bad) else f'row {bad[0] + 1} has "{shown(text[int(bad[0])].as_py())}", which is no class'
        _add(checks, f"classes of {shown(column)}", not len(bad), detail)
        return
    if schema["form"] == "ranking":
        _check_ranking(task, text, column, checks)
        return
    if schema["form"] == "answer":
        _check_answers(task, text, column, checks)
        return
    values = _numbers(table, column)
    bad = np.flatnonzero(~np.isfinite(values))
    detail = "finite numbers" if not len(bad) else f'row {bad[0] + 1} has "{shown(text[int(bad[0])].as_py())}" ({len(bad)} rows in all)'
    if _add(checks, f"numbers of {shown(column)}", not len(bad), detail) and schema["form"] in ("probability", "class_columns"):
        low, high = float(values.min()), float(values.max())
        _add(checks, f"range of {shown(column)}", low >= 0 and high <= 1, f"from {low:.6g} to {high:.6g}; probabilities lie in 0 to 1")
    if schema["form"] == "value" and task.metric_id in LOG_VALUE_METRICS | DEVIANCE_METRICS and not len(bad):
        _add(
            checks,
            f"range of {shown(column)}",
            float(values.min()) >= 0,
            f"the smallest is {float(values.min()):.6g}; this metric needs 0 or more",
        )


def _check_answers(task: Task, text: pa.ChunkedArray, column: str, checks: Checks) -> None:
    """Each cell is one that the metric can read; masks lie inside their images."""
    needs, fault, pool = METRICS[task.metric_id].needs, None, task.extras.answers
    assert pool is not None
    for row, cell in enumerate(text.to_pylist()):
        at = task.n_train + int(task.submission_rows[row])
        try:
            check_answer(needs, cell or "", size_at(task.extras.sizes, at), pool.boxes)
        except BadOutput as error:
            fault = f"{'image' if task.has_instances else 'row'} {row + 1}: {error}"
            break
    _add(checks, f"answers of {shown(column)}", fault is None, fault or "every one can be read")


def _check_ranking(task: Task, text: pa.ChunkedArray, column: str, checks: Checks) -> None:
    """Each cell: one to k classes, each once, with blanks between them."""
    known, most = set(task.layout.targets[0].classes or []), task.extras.k or 1
    fault = None
    for row, cell in enumerate(text.to_pylist()):
        words = (cell or "").split(" ")
        unknown = next((word for word in words if word not in known), None)
        if unknown is not None:
            fault = f'row {row + 1} lists "{shown(unknown)}", which is no class'
        elif len(words) > most or len(set(words)) < len(words):
            fault = f"row {row + 1} lists {len(words)} classes, {len(set(words))} different ones; at most {most} count, each once"
        if fault is not None:
            break
    _add(checks, f"classes listed in {shown(column)}", fault is None, fault or f"one to {most} known classes a row")


def _warn(task: Task, competition: Competition, table: TextTable, checks: Checks) -> None:
    schema = task.profile["submission"]
    columns = schema["target_columns"]
    constant = all(pc.count_distinct(table.column(c)).as_py() <= 1 for c in columns)
    _add(checks, f"{WARNING}not constant", not constant, "every row has the same prediction" if constant else "predictions differ")
    sample = competition.files.sample
    if sample is not None and sample.rows == table.rows and all(c in sample.columns for c in columns):
        copied = all(sample.column(c).to_pylist() == table.column(c).to_pylist() for c in columns)
        _add(checks, f"{WARNING}not the sample", not copied, "equal to the sample submission" if copied else "differs from the sample")
    if schema["form"] in ("value", "probability") and not constant and task.metric_id not in RANK_METRICS:
        for column, target, truth in zip(columns, task.layout.targets, task.truth, strict=True):
            _warn_of_mean(table, column, truth, checks, target.classes is not None)
    if schema["form"] == "label" and not constant:
        for i, (column, target) in enumerate(zip(columns, task.layout.targets, strict=True)):
            shares = np.bincount(task.truth[i], minlength=len(target.classes or [])) / task.n_train
            counts = {v["values"]: v["counts"] for v in pc.value_counts(table.column(column)).to_pylist()}
            texts = class_texts(
                target.classes or [],
                [] if sample is None or column not in sample.columns else [v for v in sample.column(column).unique().to_pylist() if v],
            )
            far = max((abs(counts.get(t, 0) / table.rows - s) for t, s in zip(texts, shares, strict=True)), default=0.0)
            _add(checks, f"{WARNING}class shares of {shown(column)}", far <= 0.25, f"largest distance to the training shares: {far:.2f}")


def _warn_of_mean(table: TextTable, column: str, truth: np.ndarray, checks: Checks, is_class: bool) -> None:
    """Predictions whose mean is far from the training labels': a share off by 0.25, or numbers off by their own standard deviation."""
    values = _numbers(table, column)
    if not np.isfinite(values).all():
        return
    unit = 0.25 if is_class else float(np.std(truth))
    far = abs(float(values.mean()) - float(np.mean(truth)))
    detail = f"the mean is {values.mean():.4g}, that of the training labels {np.mean(truth):.4g}"
    _add(checks, f"{WARNING}mean of {shown(column)}", far <= unit, detail)
