"""The fixed task in memory: typed features of every row, the labels, and how score columns are laid out."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .answers import ANSWER_TYPES, AnswerPool, BoxForm, check_answer, size_at, split_masks
from .column_types import parse_numbers, time_numbers
from .competition import Competition
from .errors import BadInput, BadOutput, Refused, shown
from .labels import read_labels
from .layout import Extras, Layout, make_layout
from .limits import SHARE_ABOVE_BYTES
from .media import read_sizes
from .metric_table import ANSWER_NEEDS, BINARY_METRICS, METRICS
from .profile import join_keys
from .row_unit import series_codes
from .side_tables import SideTable, load_tables

Truth = NDArray[Any]
_PLACES = 5


@dataclass
class Task:
    """`features`: labelled training rows (n_train), then test rows (n_test). `truth`: one array a target over training rows.

    `series`: the series of each row, of a panel. `renumbered`: codes of the columns that each run shows under numbers of its own, -1 = missing.
    """

    profile: dict[str, Any]
    metric_id: str
    is_proxy: bool
    seed: int
    work_dir: Path
    features: pa.Table
    n_train: int
    n_test: int
    truth: list[Truth]
    layout: Layout
    id_columns: list[str]
    groups: NDArray[np.int64] | None
    times: NDArray[np.float64] | None
    series: NDArray[np.int64] | None
    submission_ids: list[pa.ChunkedArray]
    submission_rows: NDArray[np.int64]
    salt: bytes
    extras: Extras
    tables: list[SideTable]
    media: dict[str, list[Path | None]]
    renumbered: dict[str, NDArray[np.int64]]
    share_above_bytes: int = SHARE_ABOVE_BYTES

    @property
    def shape(self) -> str:
        """`rows`, `groups`, `time` or `panel`."""
        return str(self.profile["shape"])

    @property
    def is_timed(self) -> bool:
        """Whether folds are blocks of time."""
        return self.shape in ("time", "panel")

    @property
    def gives_answers(self) -> bool:
        """Whether answers are texts, which cannot be averaged."""
        return any(t.is_answer for t in self.layout.targets)

    @property
    def has_instances(self) -> bool:
        """Whether a row is an image with several masks, each of which has a row of the submission."""
        return any(t.type == "masks" for t in self.layout.targets)

    def extras_of(self, rows: NDArray[np.int64]) -> Extras:
        """What reading an output needs of the rows, test rows too."""
        return Extras(answers=self.extras.answers, sizes=None if self.extras.sizes is None else self.extras.sizes[rows])

    @property
    def is_large(self) -> bool:
        """Whether runs share one copy of the data instead of getting their own."""
        files = {path for paths in self.media.values() for path in paths if path is not None}
        held = self.features.nbytes + sum(table.data.nbytes for table in self.tables) + sum(path.stat().st_size for path in files)
        return held > self.share_above_bytes

    @property
    def maximize(self) -> bool:
        """Whether a larger score is better."""
        return METRICS[self.metric_id].direction == "maximize"

    @property
    def predicts_test_in_folds(self) -> bool:
        """Folds answer validation and test rows together (solution contract, section 3)."""
        return not self.is_timed and not self.gives_answers and self.n_test <= 3 * self.n_train


def load_task(competition: Competition, profile: dict[str, Any], metric: dict[str, Any], seed: int, work_dir: Path) -> Task:
    """Builds the task from the folder and the fixed profile. Raises Refused when metric and profile do not fit."""
    metric_id = metric["id"]
    if metric_id not in METRICS or METRICS[metric_id].direction != metric["direction"]:
        raise Refused(f"the metric {shown(metric_id)} with direction {shown(metric['direction'])} is not in the grader's table")
    _check_metric_fits(metric_id, profile)
    data = competition.files
    targets = profile["targets"]
    pool = AnswerPool() if competition.boxes is None else AnswerPool(competition.boxes)
    truth, labelled = read_labels(competition, targets, pool)
    _check_truth_fits(metric_id, targets, truth)
    if len(labelled) < 10:
        raise BadInput(f"{shown(data.train.name)} has {len(labelled)} labelled rows; at least 10 are needed to score anything.")
    group, time = profile["group_column"], profile["time_column"]
    links = {t["entity"] for t in profile.get("tables", []) if t["given"] != "withheld" and t["entity"] is not None}
    ids = [c for c in profile["id_columns"] if c in links or not _tells(competition, c)]
    shown_media = profile.get("media_columns", [])
    names = [c for c in [*ids, *([group] if group else []), *shown_media, *profile["feature_columns"]] if c]
    rows = pa.array(np.concatenate([labelled, np.arange(data.train.rows, data.train.rows + data.test.rows)]))
    columns = {name: competition.typed(name).values for name in dict.fromkeys(names)}
    everything = pa.table(columns)
    features = everything if len(rows) == everything.num_rows else everything.take(rows)
    features = features.combine_chunks()
    groups = None
    if group:
        encoded = pc.dictionary_encode(pc.fill_null(pc.cast(features.column(group), pa.string()), ""))
        groups = encoded.combine_chunks().indices.to_numpy(zero_copy_only=False).astype(np.int64)
    times = time_numbers(features.column(time), competition.typed(time).kind) if time else None
    entities = profile.get("entity_columns", [])
    series = series_codes([features.column(c) for c in entities]) if entities else None
    tables, renumbered = load_tables(competition, profile, rows, [group] if group and _tells(competition, group) else [])
    media = {
        m.name: [*(m.train[row] for row in labelled), *m.test] for m in competition.media if m.name in profile.get("media_columns", [])
    }
    submission_ids, submission_rows = _submission_order(competition, profile)
    return Task(
        profile, metric_id, bool(metric["proxy"]), seed, work_dir, features, len(labelled), data.test.rows, truth, make_layout(targets), ids, groups,
        times, series, submission_ids, submission_rows, _salt(features, len(labelled), seed),
        _extras(competition, profile, metric, labelled, pool, media, truth, series, times), tables, media, renumbered,
    )  # fmt: skip


def _check_metric_fits(metric_id: str, profile: dict[str, Any]) -> None:
    needs = METRICS[metric_id].needs
    _check_count_fits(metric_id, profile["targets"])
    for target in profile["targets"]:
        special = needs if needs in ("survival", "quantile") or needs in ANSWER_NEEDS else None
        if special != {**ANSWER_TYPES, "survival": "survival", "quantile": "quantile"}.get(target["type"]):
            raise Refused(
                f'the metric {metric_id} does not fit the target "{shown(target["name"])}" ({target["type"]}): make the profile again with this metric'
            )
        if special is not None:
            continue
        is_number = target["type"] == "regression"
        if (needs == "value") != is_number and needs != "gini":
            raise Refused(
                f'the metric {metric_id} needs {"numbers" if needs == "value" else "classes"}, but the target "{shown(target["name"])}" is {target["type"]}: make the profile again with this metric'
            )
        if target["classes"] and len(target["classes"]) > 2 and metric_id in BINARY_METRICS:
            raise Refused(
                f'the metric {metric_id} is for two classes, but the target "{shown(target["name"])}" has {len(target["classes"])}'
            )


def _read_histories(truth: Truth, series: NDArray[np.int64], times: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Each series' labels in order of time, by code: what a naive forecast's error is taken from."""
    order = np.lexsort((times, series))
    known = np.searchsorted(series[order], np.arange(int(series.max()) + 1))
    return [truth[rows].astype(np.float64) for rows in np.split(order, known[1:])]


def _check_count_fits(metric_id: str, targets: list[dict[str, Any]]) -> None:
    if metric_id == "haversine" and len(targets) != 2:
        raise Refused(f"the metric haversine needs a latitude and a longitude, not {len(targets)} targets")


def _check_truth_fits(metric_id: str, targets: list[dict[str, Any]], truth: list[Any]) -> None:
    """A deviance has no value for such rows, whatever is predicted."""
    for target, values in zip(targets, truth, strict=True):
        if metric_id == "poisson_deviance" and np.any(values < 0):
            raise BadInput(
                f'The metric poisson_deviance needs numbers of 0 or more, but the target "{shown(target["name"])}" has lower ones.'
            )
        if metric_id == "gamma_deviance" and np.any(values <= 0):
            raise BadInput(f'The metric gamma_deviance needs numbers above 0, but the target "{shown(target["name"])}" has others.')


def _extras(
    competition: Competition,
    profile: dict[str, Any],
    metric: dict[str, Any],
    labelled: NDArray[np.int64],
    pool: AnswerPool,
    media: dict[str, list[Path | None]],
    truth: list[Truth],
    series: NDArray[np.int64] | None,
    times: NDArray[np.float64] | None,
) -> Extras:
    """Weights and queries of the labelled rows, if the metric wants them. Raises BadInput where a weight is none, Refused without the column."""
    wanted = METRICS[metric["id"]].extras
    columns = {"weights": profile.get("weight_column"), "groups": profile.get("query_column")}
    for name, column in columns.items():
        if name in wanted and column is None and "histories" not in wanted:
            raise Refused(f"the metric {metric['id']} needs {name}, and no column holds them")
    train = competition.files.train
    weights = groups = None
    if "weights" in wanted and columns["weights"]:
        numbers = parse_numbers(train.column(columns["weights"]), train.format.decimal)
        weights = None if numbers is None else pc.cast(numbers, pa.float64()).to_numpy(zero_copy_only=False)[labelled]
        if weights is None or np.isnan(weights).any() or (weights < 0).any() or weights.sum() == 0:
            raise BadInput(f'{shown(train.name)}: the weights in "{shown(columns["weights"])}" must be numbers of 0 or more in every row.')
    if "groups" in wanted and columns["groups"]:
        texts = pc.fill_null(train.column(columns["groups"]), "")
        codes = pc.dictionary_encode(texts).combine_chunks().indices.to_numpy(zero_copy_only=False).astype(np.int64)
        groups = codes[labelled]
    sizes = None
    if METRICS[metric["id"]].needs in ("mask", "masks"):
        sizes = read_sizes(next(iter(media.values()), [None]))
        _check_masks(train.column(profile["targets"][0]["name"]), train.name, labelled, sizes, competition.has_instances)
    histories = None
    if "histories" in wanted:
        if series is None or times is None or len(truth) != 1:
            raise Refused(f"the metric {metric['id']} needs series with times, and one target")
        groups = series[: len(labelled)]
        histories = _read_histories(truth[0], groups, times[: len(labelled)])
    return Extras(weights, groups, metric.get("k") or _count_places(competition, profile), pool, sizes, histories)


def _check_masks(column: pa.ChunkedArray, name: str, labelled: NDArray[np.int64], sizes: NDArray[np.int64], has_instances: bool) -> None:
    """Every label is run lengths inside its image; masks of one may share pixels, as some that people drew do. Raises BadInput."""
    for i, row in enumerate(labelled.tolist()):
        text = column[row].as_py() or ""
        try:
            for mask in split_masks(text) if has_instances else [text]:
                check_answer("mask", mask, size_at(sizes, i), BoxForm("sizes", False))
        except BadOutput as error:
            raise BadInput(f"{shown(name)}: the mask of image {row + 1} cannot be read: {error}.") from error


def _count_places(competition: Competition, profile: dict[str, Any]) -> int:
    """How many classes the sample lists in a row, where the page does not say it."""
    sample, schema = competition.files.sample, profile["submission"]
    cells = (
        sample.column(schema["target_columns"][0]).slice(0, 100).to_pylist()
        if sample is not None and schema["form"] in ("ranking", "answer")
        else []
    )
    return max([len((cell or "").split()) for cell in cells], default=0) or _PLACES


def _tells(competition: Competition, column: str) -> bool:
    from .structure import told_apart

    return told_apart(competition.typed(column).values, competition.files.train.rows)


def _submission_order(competition: Competition, profile: dict[str, Any]) -> tuple[list[pa.ChunkedArray], NDArray[np.int64]]:
    """Id columns as text and the test row of each submission row: in the sample's order when it covers the test set, else the test's."""
    from .submission_format import tied_test_column

    data, schema = competition.files, profile["submission"]
    in_order = np.arange(data.test.rows)
    if data.sample is None or schema["source"] != "sample-file":
        return [data.test.column(c) for c in schema["id_columns"]], in_order
    tied = [tied_test_column(data.sample, c, data.test) for c in schema["id_columns"]]
    if any(t is None for t in tied):
        return [data.sample.column(c) for c in schema["id_columns"]], in_order
    test_keys = join_keys([data.test.column(t) for t in tied if t is not None])
    sample_keys = join_keys([data.sample.column(c) for c in schema["id_columns"]])
    positions = pc.index_in(sample_keys, value_set=test_keys.combine_chunks() if isinstance(test_keys, pa.ChunkedArray) else test_keys)
    if data.sample.rows != data.test.rows or positions.null_count or pc.count_distinct(positions).as_py() != data.test.rows:
        return [data.test.column(t) for t in tied if t is not None], in_order
    return [data.sample.column(c) for c in schema["id_columns"]], positions.to_numpy(zero_copy_only=False).astype(np.int64)


def _salt(features: pa.Table, n_train: int, seed: int) -> bytes:
    """Seeds shuffles and keys. Made from all features in their original order, which no run can see, and from no label: the same
    task gives the same bytes, but a program cannot work out which of its rows are validation rows."""
    digest = hashlib.sha256(f"{seed}|{n_train}|{features.num_rows}".encode())
    for column in features.columns:
        for chunk in column.chunks:
            for buffer in chunk.buffers():
                if buffer is not None:
                    digest.update(buffer)
    return digest.digest()
