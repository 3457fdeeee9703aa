"""Reads a table as text: every cell a string, empty cells null. Types are judged later, for train and test together."""

import contextlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from . import limits
from .errors import BadInput, shown
from .file_bytes import read_bytes
from .table_format import TableFormat, decode_text, find_separator


@dataclass(frozen=True)
class TextTable:
    """A table of strings. `name` is the file's name for messages; `bytes` its size on disk."""

    name: str
    columns: list[str]
    data: pa.Table
    format: TableFormat

    @property
    def rows(self) -> int:
        """Number of data rows."""
        return self.data.num_rows

    def column(self, name: str) -> pa.ChunkedArray:
        """Text of one column, null where the cell is empty."""
        return self.data.column(self.columns.index(name))


def read_table(path: Path, *, byte_limit: int = limits.FILE_BYTES) -> TextTable:
    """Reads CSV-like text (plain, gz, single-file zip) or Parquet. Raises BadInput naming file, row or column."""
    data, compression = read_bytes(path, byte_limit)
    name = path.name
    if data[:4] == b"PAR1":
        return _read_parquet(data, name, compression)
    if not data.strip():
        raise BadInput(f"{shown(name)} is empty; it needs a header line and rows.")
    text, encoding = decode_text(data, name)
    separator, header, decimal = find_separator(text)
    columns = _check_header(header, name)
    table = _parse(text, name, separator, header)
    _check_cells(table, columns, name)
    return TextTable(name, columns, table, TableFormat(separator, encoding, compression, decimal))


def _check_header(header: list[str], name: str) -> list[str]:
    if len(header) > limits.COLUMNS:
        raise BadInput(f"{shown(name)} has {len(header)} columns; the limit is {limits.COLUMNS}.")
    if not header:
        raise BadInput(f"{shown(name)} has no header line.")
    columns = [c.strip() or f"column_{i + 1}" for i, c in enumerate(header)]
    for column in columns:
        if len(column) > limits.NAME_CHARACTERS:
            raise BadInput(f"{shown(name)}: a column name has {len(column)} characters ({shown(column, 30)}); is the header line missing?")
    twice = [c for c, count in Counter(columns).items() if count > 1]
    if twice:
        raise BadInput(f'{shown(name)}: the column "{shown(twice[0])}" occurs {columns.count(twice[0])} times in the header; rename one.')
    return columns


def _parse(text: bytes, name: str, separator: str, header: list[str]) -> pa.Table:
    ragged: list[tuple[int | None, int, int]] = []

    def on_invalid(row: pa_csv.InvalidRow) -> str:
        ragged.append((row.number, row.actual_columns, row.expected_columns))
        return "error"

    generated = [f"c{i}" for i in range(len(header))]

    def parse(threads: bool) -> pa.Table:
        return pa_csv.read_csv(
            pa.BufferReader(text),
            read_options=pa_csv.ReadOptions(column_names=generated, block_size=limits.BLOCK_BYTES, use_threads=threads),
            parse_options=pa_csv.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=on_invalid),
            convert_options=pa_csv.ConvertOptions(
                column_types={g: pa.string() for g in generated},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )

    try:
        return parse(True).slice(1)
    except pa.ArrowInvalid as error:
        if not ragged:
            raise BadInput(f"{shown(name)} cannot be read as a table: {shown(error, 160)}") from error
    ragged.clear()
    with contextlib.suppress(pa.ArrowInvalid):
        parse(False)
    number, actual, expected = ragged[0] if ragged else (None, 0, len(header))
    where = f"row {number - 1}" if number is not None else "a row"
    raise BadInput(f"{shown(name)}: {where} has {actual} cells where the header has {expected}; quote cells that hold the separator.")


def _check_cells(table: pa.Table, columns: list[str], name: str) -> None:
    if table.num_rows > limits.ROWS:
        raise BadInput(f"{shown(name)} has {table.num_rows} rows; the limit is {limits.ROWS}.")
    for i, column in enumerate(columns):
        longest = pc.max(pc.binary_length(table.column(i))).as_py() or 0
        if longest > limits.CELL_BYTES:
            raise BadInput(f'{shown(name)}: a cell of column "{shown(column)}" has {longest} bytes; is a quote left open?')


def _read_parquet(data: bytes, name: str, compression: str) -> TextTable:
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        if file.metadata.num_rows > limits.ROWS or len(file.schema_arrow.names) > limits.COLUMNS:
            raise BadInput(f"{shown(name)} is larger than {limits.ROWS} rows or {limits.COLUMNS} columns.")
        columns = _check_header(list(file.schema_arrow.names), name)
        table = file.read()
        texts = [_as_text(table.column(i)) for i in range(table.num_columns)]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BadInput(f"{shown(name)} is not a readable Parquet file: {shown(error, 120)}") from error
    out = pa.table(dict(zip([f"c{i}" for i in range(len(columns))], texts, strict=True)))
    _check_cells(out, columns, name)
    return TextTable(name, columns, out, TableFormat(",", "utf-8", compression, "."))


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        return pa.chunked_array([pa.nulls(len(column), pa.string())])
    return pc.cast(column, pa.string())
