"""Files that rows name: images, sounds. Which column names them, and what their names say besides."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .errors import BadInput, shown
from .roles import DataFiles, ListedFile
from .tables import TextTable

_LEAST_FOUND = 0.95
_LEAST_NAMES = 20
_PARTS = re.compile(r"[_\-. ]+")


@dataclass(frozen=True)
class MediaColumn:
    """A column whose values name files. `train`, `test`: the file of each row, None where there is none."""

    name: str
    train: list[Path | None]
    test: list[Path | None]


def find_media(data: DataFiles) -> list[MediaColumn]:
    """Columns of both tables that name a file in at least 95 of 100 rows of each."""
    files = [f for f in data.files if f.role == "media"]
    if not files:
        return []
    found: list[MediaColumn] = []
    for name in [c for c in data.test.columns if c in data.train.columns]:
        # A few small numbers can be names of a few files by chance.
        if pc.count_distinct(data.train.column(name)).as_py() < min(_LEAST_NAMES, data.train.rows / 2):
            continue
        sides = [_match(table.column(name), files, side) for table, side in ((data.train, "train"), (data.test, "test"))]
        if all(sum(p is not None for p in side) >= _LEAST_FOUND * len(side) for side in sides):
            found.append(MediaColumn(name, sides[0], sides[1]))
    return found


def _match(column: pa.ChunkedArray, files: list[ListedFile], side: str) -> list[Path | None]:
    """By path from its end, with or without its suffix; where several files fit, the one in a folder of the table's name."""
    texts = pc.unique(column.drop_null()).to_pylist()
    own = [f for f in files if side in f.name.lower()]
    by_name: dict[str, Path] = {}
    for file in [*(f for f in files if f not in own), *own] if len(own) < len(files) else files:
        path = PurePosixPath(file.name)
        for depth in range(1, min(3, len(path.parts)) + 1):
            tail = PurePosixPath(*path.parts[-depth:])
            by_name[str(tail)] = by_name[str(tail.with_suffix(""))] = file.path
    known = {text: by_name.get(text.strip().lstrip("./")) for text in texts}
    return [None if text is None else known.get(text) for text in column.to_pylist()]


def split_names(data: DataFiles, media: list[MediaColumn]) -> DataFiles:
    """The tables with a column for each part of the files' names that some rows share: a patient, a view, a day."""
    train, test = data.train, data.test
    for column in media:
        sides = [_split(table.column(column.name)) for table in (train, test)]
        if sides[0] is None or sides[1] is None or sides[0].shape[1] != sides[1].shape[1] or sides[0].shape[1] < 2:
            continue
        for place in range(sides[0].shape[1]):
            values = [side[:, place] for side in sides]
            if 1 < len(np.unique(values[0])) <= 0.5 * len(values[0]):
                name = f"{column.name} part {place + 1}"
                train, test = _append(train, name, values[0]), _append(test, name, values[1])
    return DataFiles(data.files, train, test, data.sample, data.sample_file, data.test_file, data.warnings)


def _split(column: pa.ChunkedArray) -> NDArray[np.str_] | None:
    parts = [_PARTS.split(PurePosixPath(text or "").stem) for text in column.to_pylist()]
    return np.array(parts) if parts and len({len(p) for p in parts}) == 1 else None


def _append(table: TextTable, name: str, values: NDArray[np.str_]) -> TextTable:
    if name in table.columns:
        return table
    data = table.data.append_column(f"c{len(table.columns)}", pa.chunked_array([pa.array(values.tolist(), type=pa.string())]))
    return TextTable(table.name, [*table.columns, name], data, table.format)


def read_sizes(paths: list[Path | None]) -> NDArray[np.int64]:
    """(files, 2) height and width in pixels, from the files' headers. Raises BadInput for what is no image."""
    from PIL import Image, UnidentifiedImageError

    known: dict[Path, tuple[int, int]] = {}
    for path in paths:
        if path is None:
            raise BadInput("Masks need the size of their images, but some rows name no image file.")
        if path not in known:
            try:
                with Image.open(path) as image:
                    known[path] = (image.height, image.width)
            except (UnidentifiedImageError, OSError, ValueError, OverflowError, Image.DecompressionBombError) as error:
                raise BadInput(f"{shown(path.name)} cannot be read as an image, so its size is unknown.") from error
    return np.array([known[path] for path in paths if path is not None], dtype=np.int64)
