"""Reads what a solution wrote as hostile bytes: bounded size, exact columns, every key once, finite numbers."""

import os
import stat
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from .answers import check_answer, size_at
from .errors import BadOutput, shown
from .layout import Extras, Layout
from .metric_table import ANSWER_NEEDS, METRICS
from .run_folders import KEY

_BYTES_PER_CELL = 400
_BYTES_PER_ANSWER = 32_000
_SLACK_BYTES = 1 << 20


def read_output(
    out_dir: Path, layout: Layout, keys: NDArray[np.int64], metric_id: str, extras: Extras | None = None
) -> tuple[NDArray[np.float64], bool]:
    """Scores (rows in the order of `keys`, one column a score column) and whether they are raw. Raises BadOutput: one line.

    `extras`: those of the rows, for answers that are texts; their scores are codes, and never raw.
    """
    scores, predictions = out_dir / "scores.csv", out_dir / "predictions.csv"
    if extras is not None and extras.answers is not None and METRICS[metric_id].needs in ANSWER_NEEDS:
        path = scores if os.path.lexists(scores) else predictions
        if not os.path.lexists(path):
            raise BadOutput("the output folder has neither scores.csv nor predictions.csv; write one row a key of rows.csv")
        table = read_csv(path, layout.columns, len(keys), _BYTES_PER_ANSWER)
        return _answers(table, layout, find_positions(table, keys, path.name), METRICS[metric_id].needs, extras), False
    if os.path.lexists(scores):
        table = read_csv(scores, layout.columns, len(keys))
        return _scores(table, layout, find_positions(table, keys, "scores.csv")), True
    if os.path.lexists(predictions) and any(t.quantiles is not None for t in layout.targets):
        raise BadOutput(f"quantiles are answered in scores.csv, one column a level: {shown(', '.join(layout.columns), 120)}")
    if os.path.lexists(predictions):
        names = [t.name for t in layout.targets]
        table = read_csv(predictions, names, len(keys))
        return _predictions(table, layout, find_positions(table, keys, "predictions.csv"), metric_id), False
    raise BadOutput("the output folder has neither scores.csv nor predictions.csv; write one row a key of rows.csv")


def read_csv(path: Path, names: list[str], rows: int, bytes_per_cell: int = _BYTES_PER_CELL) -> pa.Table:
    """A table of a key and the named columns, as text. Raises BadOutput for anything else."""
    name = path.name
    limit = _SLACK_BYTES + rows * (len(names) + 1) * bytes_per_cell
    data = read_bounded(path, limit)
    if not data.strip():
        raise BadOutput(f"{name} is empty; it needs a header and {rows} rows")
    try:
        data.decode("utf-8")
        table = pa_csv.read_csv(
            pa.BufferReader(data.removeprefix(b"\xef\xbb\xbf")),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types={n: pa.string() for n in [KEY, *names]}, null_values=[""], strings_can_be_null=True
            ),
        )
    except UnicodeDecodeError as error:
        raise BadOutput(f"{name} is not UTF-8 text (byte {error.start})") from error
    except pa.ArrowException as error:
        raise BadOutput(f"{name} cannot be read as CSV: {shown(error, 160)}") from error
    got = table.column_names
    if len(set(got)) != len(got):
        raise BadOutput(f"{name} has a column twice in its header")
    missing = [n for n in [KEY, *names] if n not in got]
    if missing:
        raise BadOutput(
            f'{name} lacks the column "{shown(missing[0])}"; expected {KEY} and {shown(", ".join(names), 120)}, got {shown(", ".join(got), 120)}'
        )
    unknown = [n for n in got if n not in names and n != KEY]
    if unknown:
        raise BadOutput(f'{name} has an unknown column "{shown(unknown[0])}"; expected only {KEY} and {shown(", ".join(names), 120)}')
    return table


def read_bounded(path: Path, limit: int) -> bytes:
    """The bytes of a regular file that a program wrote: no links, no devices, no more than the limit. Raises BadOutput."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise BadOutput(f"{path.name} is not a plain readable file ({error.strerror})") from error
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode):
        # Before a stream is made of it: of a folder none can be.
        os.close(descriptor)
        raise BadOutput(f"{path.name} is not a regular file")
    with os.fdopen(descriptor, "rb") as stream:
        if info.st_size > limit:
            raise BadOutput(f"{path.name} has {info.st_size} bytes; {limit} are enough for the rows asked")
        return stream.read(limit + 1)


def find_positions(table: pa.Table, keys: NDArray[np.int64], name: str) -> NDArray[np.int64]:
    """For each row of the file, the index of its key; every key exactly once. Raises BadOutput."""
    text = table.column(KEY)
    try:
        given = pc.cast(pc.utf8_trim_whitespace(text), pa.float64() if pc.any(pc.match_substring(text, ".")).as_py() else pa.int64())
        given = pc.cast(given, pa.int64())
    except pa.ArrowInvalid as error:
        raise BadOutput(f"{name}: a key is not a whole number ({shown(error, 100)})") from error
    if given.null_count:
        raise BadOutput(f"{name}: {given.null_count} rows have an empty key")
    found = pc.index_in(given, value_set=pa.array(keys))
    if found.null_count:
        first = int(np.flatnonzero(found.is_null().to_numpy())[0])
        raise BadOutput(
            f"{name}: {found.null_count} unknown keys, the first is {given[first].as_py()} in row {first + 1}; use the keys of rows.csv"
        )
    positions = found.to_numpy(zero_copy_only=False).astype(np.int64)
    counts = np.bincount(positions, minlength=len(keys))
    if (counts > 1).any():
        raise BadOutput(f"{name}: the key {int(keys[np.argmax(counts)])} occurs {int(counts.max())} times; give every key once")
    if (counts == 0).any():
        raise BadOutput(f"{name}: {int((counts == 0).sum())} of {len(keys)} keys are missing, the first is {int(keys[np.argmin(counts)])}")
    return positions


def _numbers(column: pa.ChunkedArray, column_name: str, file_name: str) -> NDArray[np.float64]:
    try:
        values = pc.cast(pc.utf8_trim_whitespace(column), pa.float64())
    except pa.ArrowInvalid as error:
        raise BadOutput(f'{file_name}: column "{shown(column_name)}" holds something that is no number ({shown(error, 100)})') from error
    array = values.to_numpy(zero_copy_only=False).astype(np.float64)
    bad = ~np.isfinite(array)
    if bad.any():
        raise BadOutput(
            f'{file_name}: column "{shown(column_name)}" is empty, NaN or infinite in {int(bad.sum())} rows, first in row {int(np.argmax(bad)) + 1}'
        )
    if np.abs(array).max(initial=0) > 1e300:
        raise BadOutput(f'{file_name}: column "{shown(column_name)}" holds a number beyond 1e300')
    return array


def _scores(table: pa.Table, layout: Layout, positions: NDArray[np.int64]) -> NDArray[np.float64]:
    scores = np.empty((len(positions), len(layout.columns)))
    for i, column in enumerate(layout.columns):
        scores[positions, i] = _numbers(table.column(column), column, "scores.csv")
    return scores


def _predictions(table: pa.Table, layout: Layout, positions: NDArray[np.int64], metric_id: str) -> NDArray[np.float64]:
    """Final values as scores: numbers and probabilities as they are, labels as certainty for one class."""
    scores = np.zeros((len(positions), len(layout.columns)))
    for target in layout.targets:
        column = table.column(target.name)
        if target.classes is None or (METRICS[metric_id].needs != "label" and target.stop - target.start == 1):
            scores[positions, target.start] = _numbers(column, target.name, "predictions.csv")
            continue
        codes = pc.index_in(column, value_set=pa.array(target.classes))
        if codes.null_count:
            first = int(np.flatnonzero(codes.is_null().to_numpy())[0])
            raise BadOutput(
                f'predictions.csv: row {first + 1} has "{shown(column[first].as_py())}", which is no class of "{shown(target.name)}"'
            )
        chosen = codes.to_numpy(zero_copy_only=False).astype(np.int64)
        if target.stop - target.start == 1:
            scores[positions, target.start] = chosen
        else:
            scores[positions, target.start + chosen] = 1.0
    return scores


def _answers(table: pa.Table, layout: Layout, positions: NDArray[np.int64], needs: str, extras: Extras) -> NDArray[np.float64]:
    """Codes of the answers; an empty cell is the empty answer."""
    assert extras.answers is not None
    codes = np.empty((len(positions), len(layout.columns)))
    for i, column in enumerate(layout.columns):
        texts = [(text or "").strip() for text in table.column(column).to_pylist()]
        for row, text in enumerate(texts):
            try:
                check_answer(needs, text, size_at(extras.sizes, positions[row]), extras.answers.boxes)
            except BadOutput as error:
                raise BadOutput(f"row {row + 1}: {error}") from error
        codes[positions, i] = extras.answers.encode(texts)
    return codes
