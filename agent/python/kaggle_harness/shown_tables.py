"""Writes what one run may see of the tables beside train and test, and the numbers that entities go by in it."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .folds import Folds
from .side_tables import SideTable
from .task import Task

Codes = NDArray[np.int64]


def draw_numbers(task: Task, rng: np.random.Generator) -> dict[str, Codes]:
    """For each column that is renumbered: the number of each code in this run. They say nothing of the order of rows."""
    made: dict[str, Codes] = {}
    for column, codes in task.renumbered.items():
        beside = [table.codes for table in task.tables if table.entity == column and table.codes is not None]
        count = max([int(c.max(initial=-1)) for c in (codes, *beside)]) + 1
        made[column] = rng.permutation(count) + 1
    return made


def renumber(codes: Codes, numbers: Codes) -> pa.Array:
    """The run's numbers of some codes; null where there is none."""
    return pa.array(numbers[np.maximum(codes, 0)], mask=codes < 0)


def describe_shown(table: SideTable) -> dict[str, Any]:
    """For task.json: where a table lies, how it is joined, and its columns. `many`: several rows a key."""
    places = ["train"] if table.entity is None else ["train", "predict"]
    return {
        "name": table.name,
        "key": table.key,
        "relation": table.relation,
        "places": places,
        "ends_with_train": table.times is not None,
        "column_types": table.types,
    }


def write_tables(task: Task, folds: Folds, fold: int | None, places: dict[Path, Codes], numbers: dict[str, Codes]) -> None:
    """`places`: the folders of TRAIN and PREDICT with the task's rows that they hold. TRAIN also gets what belongs to no entity."""
    train = next(iter(places))
    for table in task.tables:
        known = _known_rows(folds, fold, table)
        if table.entity is None or table.codes is None:
            _write(train, table, table.data.take(pa.array(known)))
            continue
        for folder, rows in places.items():
            own = np.zeros(len(numbers[table.entity]) + 1, dtype=bool)
            if folder == train:
                own[:] = True
                own[task.renumbered[table.entity]] = False
            own[task.renumbered[table.entity][rows]] = True
            own[-1] = False  # rows of the table without an entity
            chosen = known[own[table.codes[known]]]
            shown = renumber(table.codes[chosen], numbers[table.entity])
            # In the order of their numbers: the file's own order may follow the ids, which tell test rows from training rows.
            order = np.argsort(shown.to_numpy(zero_copy_only=False), kind="stable")
            data = table.data.take(pa.array(chosen[order]))
            place = data.column_names.index(table.entity)
            _write(folder, table, data.set_column(place, table.entity, shown.take(pa.array(order))))


def _known_rows(folds: Folds, fold: int | None, table: SideTable) -> Codes:
    """The rows of a table that lie before what the fold answers."""
    if table.times is None:
        return np.arange(table.data.num_rows)
    known = ~np.isnan(table.times)
    if fold is not None and folds.train_end is not None:
        known &= np.nan_to_num(table.times, nan=np.inf) <= folds.train_end[fold]
    return np.flatnonzero(known)


def _write(folder: Path, table: SideTable, data: pa.Table) -> None:
    (folder / "tables").mkdir(exist_ok=True)
    pq.write_table(data.combine_chunks(), folder / "tables" / f"{table.name}.parquet", compression="snappy")
