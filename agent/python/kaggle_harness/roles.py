"""Which file is the training set, the test set and the sample submission. By name first, then by their columns."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.compute as pc

from . import limits
from .errors import BadInput, shown
from .tables import TextTable, read_table

_TABLE_SUFFIXES = (".csv", ".tsv", ".psv", ".txt", ".data", ".parquet", ".tab")
_PACKED = (".gz", ".zip", ".7z")
_MEDIA = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".wav", ".mp3", ".flac", ".ogg", ".aiff", ".dcm", ".mp4", ".webp")
_SAMPLE = re.compile(r"sample.?(sub|sol|entry|pred)|submission|sample$")
_TEST = re.compile(r"(^|[^a-z])test(ing)?([^a-z]|$)|^test|test$")
_TRAIN = re.compile(r"(^|[^a-z])train(ing)?([^a-z]|$)|^train|train$")


@dataclass
class ListedFile:
    """One file of the competition folder; `name` is relative to it, with forward slashes."""

    name: str
    path: Path
    bytes: int
    role: str = "other"

    @property
    def stem(self) -> str:
        """Lower-case base name without suffixes of packing and format."""
        stem = self.path.name.lower()
        for suffix in (*_PACKED, *_TABLE_SUFFIXES, *_PACKED):
            stem = stem.removesuffix(suffix)
        return stem


@dataclass
class DataFiles:
    """The tables that matter, read as text, and the list of everything."""

    files: list[ListedFile]
    train: TextTable
    test: TextTable
    sample: TextTable | None
    sample_file: ListedFile | None
    test_file: ListedFile
    warnings: list[str] = field(default_factory=list)


def list_files(data_dir: Path) -> list[ListedFile]:
    """Regular files below the folder in name order; links and hidden files are left out."""
    if not data_dir.is_dir():
        raise BadInput(f"The data folder {shown(data_dir.name)} does not exist.")
    found: list[ListedFile] = []
    for folder, folders, names in os.walk(data_dir, followlinks=False):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__MACOSX")))
        for name in sorted(names):
            path = Path(folder, name)
            if name.startswith(".") or path.is_symlink() or not path.is_file():
                continue
            found.append(ListedFile(path.relative_to(data_dir).as_posix(), path, path.stat().st_size))
            if len(found) >= limits.FILES_LISTED:
                return found
    return found


def _is_table(file: ListedFile) -> bool:
    low = file.path.name.lower()
    for packed in _PACKED:
        low = low.removesuffix(packed)
    return low.endswith(_TABLE_SUFFIXES) and not re.search(r"readme|description|license", low)


def assign_roles(files: list[ListedFile]) -> None:
    """Sets `role` by name: at most one train, test and sample; other tables are `table`."""
    for file in files:
        low = file.path.name.lower()
        file.role = "table" if _is_table(file) else "media" if low.endswith(_MEDIA) else "other"
    tables = [f for f in files if f.role == "table"]
    for role, pattern, exact in (("sample", _SAMPLE, "sample_submission"), ("test", _TEST, "test"), ("train", _TRAIN, "train")):
        matching = [f for f in tables if f.role == "table" and pattern.search(f.stem)]
        if role != "sample":
            matching = [f for f in matching if not re.search(r"label|target|answer", f.stem)] or matching
        if matching:
            best = min(matching, key=lambda f: (f.stem != exact, f.name.count("/"), -f.bytes if role != "sample" else f.bytes, f.name))
            best.role = role


def read_data_files(data_dir: Path) -> DataFiles:
    """Finds and reads train, test and sample. Raises BadInput when there is no train or test table."""
    files = list_files(data_dir)
    assign_roles(files)
    by_role = {f.role: f for f in files if f.role in ("train", "test", "sample")}
    warnings: list[str] = []
    sample_file = by_role.get("sample")
    sample = read_table(sample_file.path) if sample_file else None
    if "train" not in by_role or "test" not in by_role:
        _guess_by_columns(files, by_role, warnings, sample)
    if "test" not in by_role and "train" in by_role and sample is not None and sample_file is not None:
        train = read_table(by_role["train"].path)
        if sample.columns[0] in train.columns:
            # The sample says which rows are asked for; what they are like lies in files that it names, or in other tables.
            ids = TextTable(sample.name, sample.columns[:1], sample.data.select([0]), sample.format)
            warnings.append(f"there is no test table: {shown(sample_file.name)} names the rows to answer")
            return DataFiles(files, train, ids, sample, sample_file, sample_file, warnings)
    for role, what in (("train", "training"), ("test", "test")):
        if role not in by_role:
            names = ", ".join(shown(f.name, 40) for f in files[:8]) or "nothing"
            raise BadInput(f'No {what} table was found: expected a file named like "{role}.csv"; the folder holds {names}.')
    train, test = read_table(by_role["train"].path), read_table(by_role["test"].path)
    for table, what in ((train, "training"), (test, "test")):
        if table.rows == 0:
            raise BadInput(f"{shown(table.name)} has a header but no rows; the {what} set is empty.")
    return DataFiles(files, train, test, sample, sample_file, by_role["test"], warnings)


def _guess_by_columns(files: list[ListedFile], by_role: dict[str, ListedFile], warnings: list[str], sample: TextTable | None) -> None:
    """Without telling names: of two tables with the same columns, the one with more columns is the training set."""
    known = {f.name for f in by_role.values()}
    candidates = [f for f in files if f.role == "table" and f.name not in known][:20]
    candidates += [by_role[r] for r in ("train", "test") if r in by_role]
    tables: list[tuple[ListedFile, TextTable]] = []
    for file in candidates:
        try:
            tables.append((file, read_table(file.path)))
        except BadInput:
            continue
    best: tuple[int, ListedFile, ListedFile] | None = None
    for file_a, a in tables:
        for file_b, b in tables:
            columns_a, columns_b = set(a.columns), set(b.columns)
            common = len(columns_a & columns_b)
            if file_a is file_b or common < 2 or not columns_a > columns_b:
                continue
            if sample is not None and sample.columns[0] in b.columns and _repeats(b, sample.columns[0]):
                continue
            if by_role.get("train") not in (None, file_a) or by_role.get("test") not in (None, file_b):
                continue
            if best is None or common > best[0]:
                best = (common, file_a, file_b)
    if best:
        best[1].role, best[2].role = "train", "test"
        by_role["train"], by_role["test"] = best[1], best[2]
        warnings.append(f"train and test were guessed from their columns: {shown(best[1].name)} and {shown(best[2].name)}")


def _repeats(table: TextTable, column: str) -> bool:
    return pc.count_distinct(table.column(column)).as_py() < table.rows
