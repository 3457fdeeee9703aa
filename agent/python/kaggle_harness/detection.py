"""Detection: from a table with a row a box, one row an image whose answer is all of its boxes (solution contract, section 2)."""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .answers import BoxForm
from .column_types import parse_numbers
from .roles import DataFiles, ListedFile
from .tables import TextTable

_NUMBER = r"\s*-?\d+(\.\d+)?(e-?\d+)?\s*"
_FOUR = re.compile(rf"^[\[(]?{_NUMBER}([,;\s]{_NUMBER}){{3}}[\])]?$", re.IGNORECASE)
_SIDES = {
    "sizes": (r"^(bbox_?)?(x|left|x_?min)$", r"^(bbox_?)?(y|top|y_?min)$", r"^(bbox_?)?(w|width)$", r"^(bbox_?)?(h|height)$"),
    "corners": (
        r"^(bbox_?)?(x_?min|left|x1)$",
        r"^(bbox_?)?(y_?min|top|y1)$",
        r"^(bbox_?)?(x_?max|right|x2)$",
        r"^(bbox_?)?(y_?max|bottom|y2)$",
    ),
}
_CLASS = re.compile(r"(class|category|label)(_?(id|no))?$", re.IGNORECASE)
_SAMPLE_ROWS = 500


@dataclass(frozen=True)
class Detection:
    """The tables with images as rows, and how their boxes are written."""

    data: DataFiles
    form: BoxForm


def recast_boxes(data: DataFiles) -> Detection | None:
    """The task with images as rows; None for any other competition. An image whose boxes are empty has none."""
    sample, train = data.sample, data.train
    if sample is None or len(sample.columns) != 2 or sample.columns[1] in train.columns or sample.columns[0] not in train.columns:
        return None
    image, target = sample.columns
    found = _find_boxes(train)
    if found is None:
        return None
    layout, sides = found
    cells = [cell.split() for cell in sample.column(target).slice(0, _SAMPLE_ROWS).to_pylist() if cell]
    classes = next((c for c in train.columns if _CLASS.search(c) and parse_numbers(train.column(c)) is not None), None)
    has_class = any(len(cell) % 6 == 0 and len(cell) % 5 != 0 for cell in cells) and classes is not None
    form = BoxForm(layout, has_class)
    labels = _write_boxes(sides, train.column(classes) if has_class and classes is not None else None)
    lists: dict[str, list[str]] = {}
    for name, text in zip(train.column(image).to_pylist(), labels, strict=True):
        if name is not None:
            lists.setdefault(name, []).extend([text] if text else [])
    columns = [list(lists), [" ".join(texts) for texts in lists.values()]]
    table = pa.table({f"c{i}": pa.array(column, type=pa.string()) for i, column in enumerate(columns)})
    files = [ListedFile(f.name, f.path, f.bytes, "other" if f.role == "train" else f.role) for f in data.files]
    test = TextTable(data.test.name, data.test.columns, data.test.data, data.test.format)
    made = TextTable(train.name, [image, target], table, train.format)
    return Detection(DataFiles(files, made, test, sample, data.sample_file, data.test_file, data.warnings), form)


def _find_boxes(train: TextTable) -> tuple[str, NDArray[np.float64]] | None:
    """How boxes are given, and (rows, 4) numbers, NaN where a row has none."""
    for layout, patterns in _SIDES.items():
        names = [next((c for c in train.columns if re.match(p, c, re.IGNORECASE)), None) for p in patterns]
        if all(names) and len(set(names)) == 4:
            numbers = [parse_numbers(train.column(n), train.format.decimal) for n in names if n is not None]
            if all(n is not None for n in numbers):
                return layout, np.column_stack([pc.cast(n, pa.float64()).to_numpy(zero_copy_only=False) for n in numbers])
    for column in train.columns:
        known = train.column(column).drop_null().slice(0, _SAMPLE_ROWS).to_pylist()
        if known and all(_FOUR.match(cell) for cell in known):
            rows = [re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", cell or "", re.IGNORECASE) for cell in train.column(column).to_pylist()]
            return "sizes", np.array([[float(v) for v in row[:4]] if len(row) == 4 else [np.nan] * 4 for row in rows])
    return None


def _write_boxes(sides: NDArray[np.float64], classes: pa.ChunkedArray | None) -> list[str]:
    """Each box as an answer of certainty 1; "" for none."""
    names = [None] * len(sides) if classes is None else classes.to_pylist()
    written: list[str] = []
    for name, box in zip(names, sides.tolist(), strict=True):
        numbers = " ".join(f"{v:.10g}" for v in box)
        written.append("" if any(v != v for v in box) else f"1 {numbers}" if classes is None else f"{name} 1 {numbers}")
    return written
