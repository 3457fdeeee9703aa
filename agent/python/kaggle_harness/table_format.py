"""How a text table is written: encoding, separator, decimal mark, header. Judged from its first lines."""

import codecs
import csv
import io
import re
from dataclasses import dataclass

from .errors import BadInput, shown

SEPARATORS = (",", ";", "\t", "|")
_SAMPLE_CHARACTERS = 256 << 10
_COMMA_NUMBER = re.compile(r"^-?\d+,\d+$")
_POINT_NUMBER = re.compile(r"^-?\d+\.\d+$")


@dataclass(frozen=True)
class TableFormat:
    """Enough to read a table again, and to write a submission that looks the same."""

    separator: str
    encoding: str
    compression: str
    decimal: str


def decode_text(data: bytes, name: str) -> tuple[bytes, str]:
    """The same text as UTF-8 bytes without a mark, and the encoding's name. Raises BadInput for binary garbage."""
    if data.startswith(codecs.BOM_UTF8):
        return _checked_utf8(data[3:], name), "utf-8-sig"
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):
            try:
                return data[2:].decode(encoding).encode("utf-8"), "utf-16"
            except UnicodeDecodeError as error:
                raise BadInput(f"{shown(name)} is broken UTF-16 at byte {error.start + 2}; save it as UTF-8.") from error
    head = data[: 64 << 10]
    if b"\x00" in head:
        raise BadInput(f"{shown(name)} is not a text table: it holds zero bytes at byte {head.index(0)}. Give a CSV or Parquet file.")
    control = sum(head.count(bytes([c])) for c in range(32) if c not in (9, 10, 12, 13))
    if control > max(3, len(head) // 200):
        raise BadInput(f"{shown(name)} is not a text table: it holds control characters. Give a CSV or Parquet file.")
    try:
        data.decode("utf-8")
        return data, "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1").encode("utf-8"), "latin-1"


def _checked_utf8(data: bytes, name: str) -> bytes:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{shown(name)} is marked as UTF-8 but byte {error.start + 3} is not; save it as UTF-8.") from error
    return data


def find_separator(text: bytes) -> tuple[str, list[str], str]:
    """Separator, header cells as written, decimal mark. A table of one column gets a comma."""
    sample = text[:_SAMPLE_CHARACTERS].decode("utf-8", errors="ignore")
    best: tuple[float, str, list[list[str]]] | None = None
    for separator in SEPARATORS:
        rows = _first_rows(sample, separator)
        if not rows:
            continue
        width = len(rows[0])
        body = rows[1:] or rows
        agreeing = sum(len(r) == width for r in body) / len(body)
        score = agreeing + min(width, 50) / 1000 if width > 1 else 0.0
        if best is None or score > best[0] + 1e-9:
            best = (score, separator, rows)
    if best is None:
        return ",", [], "."
    _, separator, rows = best
    return separator, rows[0], _find_decimal(separator, rows[1:])


def _first_rows(sample: str, separator: str, count: int = 60) -> list[list[str]]:
    csv.field_size_limit(1 << 24)
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(sample, newline=""), delimiter=separator):
            if row:
                rows.append(row)
            if len(rows) > count:
                return rows[:count]
    except csv.Error:
        return rows
    return rows[:-1] if len(rows) > 2 and len(sample) >= _SAMPLE_CHARACTERS else rows


def _find_decimal(separator: str, rows: list[list[str]]) -> str:
    if separator == ",":
        return "."
    cells = [c.strip() for row in rows for c in row]
    commas = sum(bool(_COMMA_NUMBER.match(c)) for c in cells)
    points = sum(bool(_POINT_NUMBER.match(c)) for c in cells)
    return "," if commas > points else "."
