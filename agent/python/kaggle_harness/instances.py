"""Several masks an image, a row each: one row an image, whose answer is all of its masks (solution contract, section 2)."""

import pyarrow as pa
import pyarrow.compute as pc

from .answers import MASK_MARK, looks_like_runs
from .roles import DataFiles, ListedFile
from .tables import TextTable

_SAMPLE_ROWS = 2_000


def recast_masks(data: DataFiles) -> DataFiles | None:
    """The tables with images as rows; None for any other competition. An image whose cells are all empty has no mask."""
    sample, train = data.sample, data.train
    if sample is None or len(sample.columns) != 2 or sample.columns[0] not in train.columns:
        return None
    image, target = sample.columns
    runs = _find_runs(train, image, target)
    if runs is None or pc.count_distinct(train.column(image)).as_py() == train.rows:
        return None
    masks: dict[str, list[str]] = {}
    for name, text in zip(train.column(image).to_pylist(), train.column(runs).to_pylist(), strict=True):
        if name is not None:
            masks.setdefault(name, []).extend([text.strip()] if text and text.strip() else [])
    cells = [pa.array(list(masks), type=pa.string()), pa.array([MASK_MARK.join(texts) for texts in masks.values()], type=pa.string())]
    made = TextTable(train.name, [image, target], pa.table(dict(zip(("c0", "c1"), cells, strict=True))), train.format)
    files = [ListedFile(f.name, f.path, f.bytes, "other" if f.role == "train" else f.role) for f in data.files]
    test = data.test if data.test_file is not data.sample_file else _once(data.test)
    return DataFiles(files, made, test, _once(sample), data.sample_file, data.test_file, data.warnings)


def _find_runs(train: TextTable, image: str, target: str) -> str | None:
    """The one column of run lengths: of the submission's name, or where no other column has some."""
    named = [target] if target in train.columns else [c for c in train.columns if c != image]
    found = [c for c in named if looks_like_runs(_first_cells(train.column(c)))]
    return found[0] if len(found) == 1 else None


def _first_cells(column: pa.ChunkedArray) -> list[str]:
    return [text.strip() for text in column.slice(0, _SAMPLE_ROWS).drop_null().to_pylist()]


def _once(table: TextTable) -> TextTable:
    """The first row of each image."""
    first: dict[str | None, int] = {}
    for row, name in enumerate(table.data.column(0).to_pylist()):
        first.setdefault(name, row)
    return TextTable(table.name, table.columns, table.data.take(pa.array(list(first.values()))), table.format)
