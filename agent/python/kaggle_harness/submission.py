"""Writes the competition's file from test scores: exact header, ids as given, the sample's separator and encoding. Never in part."""

import csv
import gzip
import hashlib
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .answers import split_masks
from .column_types import parse_numbers
from .competition import Competition
from .decoders import Decoder, apply_labels, apply_values
from .metrics_of_lists import first_classes
from .task import Task

Array = NDArray[np.float64]
_WRITTEN_ENCODINGS = {"utf-8": "utf-8", "utf-8-sig": "utf-8-sig", "utf-16": "utf-16", "latin-1": "latin-1"}


def submission_columns(task: Task, competition: Competition, scores: Array, decoder: Decoder) -> list[list[str]]:
    """Text of every submission column in the schema's order. `scores`: one row a test row."""
    schema = task.profile["submission"]
    values = apply_values(decoder, task.layout, scores)[task.submission_rows]
    labels = [codes[task.submission_rows] for codes in apply_labels(decoder, task.layout, scores)]
    ids = dict(zip(schema["id_columns"], task.submission_ids, strict=True))
    columns: list[list[str]] = []
    for column in schema["columns"]:
        if column in ids:
            columns.append(["" if v is None else v for v in ids[column].to_pylist()])
        else:
            columns.append(_target_text(task, competition, column, values, labels))
    return spread_masks(columns, schema["columns"].index(schema["target_columns"][0])) if task.has_instances else columns


def spread_masks(columns: list[list[str]], place: int) -> list[list[str]]:
    """One row a mask instead of one an image, of which the column at `place` holds all; a row with an empty cell where there is none."""
    rows: list[list[str]] = []
    for row in zip(*columns, strict=True):
        rows += [[*row[:place], mask, *row[place + 1 :]] for mask in split_masks(row[place]) or [""]]
    return [list(column) for column in zip(*rows, strict=True)]


def _target_text(task: Task, competition: Competition, column: str, values: Array, labels: list[NDArray[np.int64]]) -> list[str]:
    schema = task.profile["submission"]
    position = schema["target_columns"].index(column)
    if schema["form"] == "class_columns":
        target = task.layout.targets[0]
        if target.stop - target.start == 1:
            return _number_text(values[:, 0] if position == 1 else 1 - values[:, 0], schema["decimal"])
        return _number_text(values[:, position], schema["decimal"])
    if schema["form"] == "quantiles":
        return _number_text(values[:, position], schema["decimal"])
    target = task.layout.targets[position]
    if schema["form"] == "label" and target.classes is not None:
        shown = class_texts(target.classes, _placeholders(competition, column))
        return [shown[c] for c in labels[position]]
    if schema["form"] == "answer":
        assert task.extras.answers is not None
        return [task.extras.answers.texts[int(code)] for code in values[:, target.start]]
    if schema["form"] == "ranking":
        assert target.classes is not None and task.extras.k is not None
        names = np.asarray(target.classes, dtype=object)
        return [" ".join(row) for row in names[first_classes(target.pick(values), task.extras.k)]]
    return _number_text(values[:, target.start], schema["decimal"])


def _placeholders(competition: Competition, column: str) -> list[str]:
    sample = competition.files.sample
    if sample is None or column not in sample.columns:
        return []
    return [v for v in sample.column(column).unique().to_pylist()[:50] if v is not None]


def class_texts(classes: list[str], placeholders: list[str]) -> list[str]:
    """How each class is written: as in the training labels, unless the sample writes the same values otherwise (1.0 / 1, True / true)."""
    if not placeholders or set(placeholders) <= set(classes):
        return classes
    import pyarrow as pa

    numbers = parse_numbers(pa.chunked_array([classes]))
    sampled = parse_numbers(pa.chunked_array([placeholders]))
    if numbers is not None and sampled is not None and pa.types.is_integer(sampled.type):
        as_float = [float(v) for v in classes]
        if all(v.is_integer() for v in as_float):
            return [str(int(v)) for v in as_float]
    for change in (str.lower, str.upper, str.capitalize):
        if set(placeholders) <= {change(c) for c in classes}:
            return [change(c) for c in classes]
    return classes


def _number_text(values: Array, decimal: str) -> list[str]:
    text = [repr(v) for v in np.asarray(values, dtype=np.float64).tolist()]
    return [t.replace(".", ",") for t in text] if decimal == "," else text


def encode_file(schema: dict[str, Any], columns: list[list[str]]) -> bytes:
    """The file's bytes in the schema's separator, encoding and compression; the same columns give the same bytes."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=schema["separator"], lineterminator="\n")
    writer.writerow(schema["columns"])
    writer.writerows(zip(*columns, strict=True))
    data = stream.getvalue().encode(_WRITTEN_ENCODINGS.get(schema["encoding"], "utf-8"))
    if schema["compression"] == "gzip":
        return gzip.compress(data, mtime=0)
    if schema["compression"] == "zip":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(schema["file_name"]), data, zipfile.ZIP_DEFLATED)
        return packed.getvalue()
    return data


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> str:
    """Writes beside, flushes to disk, renames; returns the sha256 in hex."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return hashlib.sha256(data).hexdigest()
