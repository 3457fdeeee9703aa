"""The kind `answer`: a program writes an order of points, and the order is measured."""

import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ..checks import check
from ..errors import BadInput, BadOutput, Refused, shown
from ..roles import assign_roles, list_files
from ..scores_file import read_bounded
from ..submission import encode_file, write_atomically
from ..tables import TextTable, read_table
from .base_session import BaseSession, Unlabelled, describe_profile, make_evaluation
from .recognize import read_tour, recognize_tour
from .tour import Tour

METRIC = "tour_length"
_RUN = "answer"
_BYTES_PER_ROW = 400
_FIXED_TIME = (946_684_800, 946_684_800)


class TourSession(BaseSession):
    """One run of a program gives one answer. There is nothing to cut, and nothing that could leak."""

    def __init__(self) -> None:
        super().__init__()
        self._tour: Tour | None = None
        self._profile: dict[str, Any] = {}

    def profile(self, data_dir: str, description: str) -> dict[str, Any]:
        """The TaskProfile of the protocol."""
        self._tour = _found(recognize_tour(Path(data_dir), description))
        return _describe(self._tour, Path(data_dir))

    def fix_task(self, data_dir: str, work_dir: str, profile: dict[str, Any], metric: dict[str, Any], seed: int) -> dict[str, Any]:
        """Fixes the task as profiled; the pages are not read again."""
        if metric["id"] != METRIC:
            raise Refused(f"a tour is measured by {METRIC}, not by {shown(metric['id'])}")
        objective = profile["objective"]
        self._tour = _found(read_tour(Path(data_dir), objective["returns"], objective["proxy"]))
        self._profile = profile
        self._open(work_dir, METRIC, str(self._tour.returns), str(self._tour.opening), *self._tour.ids, self._tour.points.tobytes().hex())
        return {}

    def baseline(self) -> dict[str, Any]:
        """The sample's own order, or the table's."""
        started = time.monotonic()
        tour = self._need_tour()
        self._solutions[0] = self._grade(0, tour.plain_order(), time.monotonic() - started)
        return {"evaluation": self._solutions[0].evaluation}

    def cut(self, fold_count: int | None) -> dict[str, Any]:
        """One run's folders: the points to learn from, the sample to answer like."""
        started = time.monotonic()
        tour = self._need_tour()
        folder = self._need_dir() / "runs" / _RUN
        if not folder.is_dir():
            partial = folder.with_name(f".{_RUN}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            _write_folders(tour, self._profile["submission"], partial)
            partial.rename(folder)
        run = {
            "run_id": _RUN,
            "fold": 0,
            "train_dir": str(folder / "train"),
            "predict_dir": str(folder / "predict"),
            "predict_kind": "test",
            "train_rows": len(tour.ids),
            "predict_rows": tour.sample.rows,
        }
        seconds = round(time.monotonic() - started, 4)
        return {"fold_count": 1, "runs": [run], "final_run": None, "refit_run": None, "seconds": seconds}

    def grade_fold(self, solution: int, run_id: str, out_dir: str) -> dict[str, Any]:
        """Measures what a program wrote. An order that is no tour is a reply with `failure`."""
        started = time.monotonic()
        if run_id != _RUN or solution < 1 or solution in self._solutions:
            raise Refused(f"run {run_id[:40]} of solution {solution} cannot be graded: it is no run of it, or was graded before")
        tour = self._need_tour()
        try:
            order = _read_order(Path(out_dir) / "predictions.csv", tour)
            fault = tour.find_fault(order)
            if fault is not None:
                raise BadOutput(f"predictions.csv is no tour: {fault}")
        except BadOutput as error:
            return {"fold": 0, "score": None, "rows": 0, "failure": str(error), "seconds": round(time.monotonic() - started, 4)}
        self._solutions[solution] = self._grade(solution, order, time.monotonic() - started)
        score = self._solutions[solution].fold_scores[0]
        return {"fold": 0, "score": score, "rows": len(order), "failure": None, "seconds": round(time.monotonic() - started, 4)}

    def write_submission(self, solution: int, path: str) -> dict[str, Any]:
        """Writes atomically, validates what was written."""
        order = self._need(solution).answer
        tour, schema = self._need_tour(), self._profile["submission"]
        columns = {tour.column: order}
        if tour.counter is not None:
            columns[tour.counter] = ["" if v is None else v for v in tour.sample.column(tour.counter).to_pylist()]
        write_atomically(Path(path), encode_file(schema, [columns[name] for name in schema["columns"]]))
        return self.validate(path)

    def validate(self, path: str) -> dict[str, Any]:
        """Checks any file: header, row counter, every point once."""
        tour, schema = self._need_tour(), self._profile["submission"]
        checks: list[dict[str, Any]] = []
        rows, on_disk = 0, Path(path).read_bytes()
        try:
            table = read_table(Path(path))
            rows = table.rows
            checks = _check_file(tour, schema, table)
        except BadInput as error:
            checks = [_rule("readable", False, str(error))]
        valid = all(c["ok"] for c in checks if not c["name"].startswith("warning: "))
        return {
            "path": path,
            "sha256": hashlib.sha256(on_disk).hexdigest(),
            "bytes": len(on_disk),
            "rows": rows,
            "valid": valid,
            "checks": checks,
        }

    def _need_tour(self) -> Tour:
        if self._tour is None or self._work_dir is None:
            raise Refused("fix_task must come first")
        return self._tour

    def _grade(self, number: int, order: list[str], seconds: float) -> Unlabelled:
        tour = self._need_tour()
        length = tour.measure(order)
        checks = [check("measured by the objective", True, "note", f"the length of the file's own order of {len(tour.ids)} points")]
        evaluation = make_evaluation(number, [length], (length, length, 0.0), checks, seconds)
        return Unlabelled(number, order, [length], evaluation)


def _found(tour: Tour | None) -> Tour:
    if tour is None:
        raise BadInput("There is no sample submission that lists the points of another table in an order.")
    return tour


def _describe(tour: Tour, data_dir: Path) -> dict[str, Any]:
    files = list_files(data_dir)
    assign_roles(files)
    sample = tour.sample
    back = f'an answer begins and ends at "{shown(tour.opening)}"' if tour.opening is not None else "the way back counts" if tour.returns else "the way back does not count"  # fmt: skip
    reason = f"the sample lists the {len(tour.ids)} points of {shown(tour.points_table.name)} in an order; {back}"
    warnings = [f"no labels: the answer is an order of points, measured by its length; {back}"]
    if tour.is_proxy:
        warnings.append("the pages speak of costs besides the length, which are not computed: the length stands in")
    name = tour.sample_file.path.name
    for suffix in (".gz", ".zip"):
        name = name.removesuffix(suffix)
    return describe_profile(
        "answer",
        {
            "shape_reason": reason[:300],
            "files": [{"name": f.name, "role": f.role, "bytes": f.bytes} for f in files[:500]],
            "targets": [{"name": tour.column, "type": "order", "classes": None}],
            "train_rows": len(tour.ids),
            "test_rows": sample.rows,
            "objective": {
                "id": METRIC,
                "of": "tour",
                "display_name": "length of the tour",
                "proxy": tour.is_proxy,
                "returns": tour.returns,
            },
            "submission": {
                "source": "sample-file",
                "file_name": name,
                "separator": sample.format.separator,
                "encoding": sample.format.encoding,
                "compression": sample.format.compression,
                "decimal": sample.format.decimal,
                "columns": sample.columns,
                "id_columns": [] if tour.counter is None else [tour.counter],
                "target_columns": [tour.column],
                "row_count": sample.rows,
                "form": "order",
            },
            "warnings": warnings,
        },
    )


def _write_folders(tour: Tour, schema: dict[str, Any], folder: Path) -> None:
    (folder / "train" / "tables").mkdir(parents=True)
    (folder / "predict").mkdir()
    points = pa.table({tour.id_column: pa.array(tour.ids)} | {c: pa.array(tour.points[:, i]) for i, c in enumerate(tour.coordinates)})
    pa_csv.write_csv(points, folder / "train" / "tables" / "points.csv", pa_csv.WriteOptions(quoting_style="needed"))
    pq.write_table(points, folder / "train" / "tables" / "points.parquet")
    order = pa.table({tour.column: pa.array(tour.plain_order())})
    for name in ("rows.csv", "sample.csv"):
        pa_csv.write_csv(order, folder / "predict" / name, pa_csv.WriteOptions(quoting_style="needed"))
    described = {
        "schema_version": 1,
        "kind": "answer",
        "objective": {"id": METRIC, "direction": "minimize", "opening": tour.opening, "returns": tour.returns},
        "target": tour.column,
        "id_column": tour.id_column,
        "coordinates": tour.coordinates,
        "files": {"points": "tables/points", "sample": "sample.csv"},
        "effort": "normal",
    }
    (folder / "train" / "task.json").write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for place in (*sorted(folder.rglob("*")), folder):
        os.utime(place, _FIXED_TIME)


def _read_order(path: Path, tour: Tour) -> list[str]:
    """The order that a program wrote under the target's name: hostile bytes. Raises BadOutput."""
    wanted = len(tour.ids) + 1
    data = read_bounded(path, (1 << 20) + wanted * _BYTES_PER_ROW)
    try:
        options = pa_csv.ConvertOptions(column_types={tour.column: pa.string()}, null_values=[""], strings_can_be_null=True)
        table = pa_csv.read_csv(pa.BufferReader(data), convert_options=options)
    except pa.ArrowException as error:
        raise BadOutput(f"predictions.csv cannot be read as CSV: {shown(error, 160)}") from error
    if tour.column not in table.column_names:
        raise BadOutput(f'predictions.csv lacks the column "{shown(tour.column)}"')
    return ["" if v is None else v.strip() for v in table.column(tour.column).to_pylist()]


def _check_file(tour: Tour, schema: dict[str, Any], table: TextTable) -> list[dict[str, Any]]:
    same = table.columns == schema["columns"]
    header = (
        "as in the sample" if same else f"expected {shown(','.join(schema['columns']), 150)}, got {shown(','.join(table.columns), 150)}"
    )
    checks = [_rule("header", same, header)]
    if not same:
        return checks
    if tour.counter is not None:
        counted = table.rows == tour.sample.rows and table.column(tour.counter).to_pylist() == tour.sample.column(tour.counter).to_pylist()
        checks.append(_rule(f"counter {shown(tour.counter)}", counted, "as in the sample" if counted else "not as in the sample"))
    order = ["" if v is None else v.strip() for v in table.column(tour.column).to_pylist()]
    fault = tour.find_fault(order)
    checks.append(_rule("a tour", fault is None, fault or f"every one of {len(tour.ids)} points once"))
    copied = order == tour.sample_order()
    checks.append(_rule("warning: not the sample", not copied, "equal to the sample submission" if copied else "differs from the sample"))
    return checks


def _rule(name: str, ok: bool, detail: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "detail": detail[:500]}
