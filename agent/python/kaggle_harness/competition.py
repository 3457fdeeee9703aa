"""A competition's folder in memory: text tables as they are to be looked at, and typed columns of them."""

from pathlib import Path

import pyarrow as pa

from .answers import BoxForm
from .column_types import TypedColumn, type_column
from .detection import recast_boxes
from .instances import recast_masks
from .limits import TABLES_BYTES
from .media import find_media, split_names
from .recommender import recast
from .roles import DataFiles, read_data_files
from .tables import TextTable, read_table


class Competition:
    """The folder as read: text tables, and typed features of train and test rows together (train first)."""

    def __init__(self, data_dir: Path, may_recommend: bool) -> None:
        """`may_recommend`: a table of interactions may become one of users; not where the caller asked for another shape."""
        self.data_dir = data_dir
        self.may_recommend = may_recommend
        files = read_data_files(data_dir)
        made = recast(files) if may_recommend else None
        files = files if made is None else made.data
        found = recast_boxes(files) if made is None else None
        files = files if found is None else found.data
        instances = recast_masks(files) if made is None and found is None else None
        files = instances or files
        self.has_instances = instances is not None
        self.boxes: BoxForm | None = None if found is None else found.form
        self.recommender = None if made is None else made.recommender
        self.counting: dict[str, list[str]] = {} if made is None else made.counting
        self.media = find_media(files)
        self.files: DataFiles = split_names(files, self.media)
        self._typed: dict[str, TypedColumn] = {}
        self._beside: dict[str, TextTable] = {} if made is None else dict(made.beside)
        self._typed_beside: dict[tuple[str, str], TypedColumn] = {}

    def beside(self, file: str) -> TextTable:
        """Another table of the folder. Raises BadInput when it cannot be read."""
        if file not in self._beside:
            path = next(f.path for f in self.files.files if f.name == file)
            self._beside[file] = read_table(path, byte_limit=TABLES_BYTES)
        return self._beside[file]

    def typed_beside(self, file: str, column: str) -> TypedColumn:
        """A column of another table, typed by its own cells."""
        if (file, column) not in self._typed_beside:
            table = self.beside(file)
            self._typed_beside[file, column] = type_column(table.column(column), table.format.decimal)
        return self._typed_beside[file, column]

    def typed(self, column: str) -> TypedColumn:
        """A column that both tables have, typed over all rows."""
        if column not in self._typed:
            train, test = self.files.train, self.files.test
            decimal = "," if "," in (train.format.decimal, test.format.decimal) else "."
            chunks = [*train.column(column).chunks, *test.column(column).chunks]
            self._typed[column] = type_column(pa.chunked_array(chunks, type=pa.string()), decimal)
        return self._typed[column]
