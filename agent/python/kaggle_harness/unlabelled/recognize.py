"""Which competitions without labels are known: a tour through points, and games that we can play."""

import re
from pathlib import Path

from ..errors import BadInput
from ..limits import DESCRIPTION_CHARACTERS
from ..roles import ListedFile, assign_roles, list_files
from ..tables import TextTable, read_table
from .tour import Tour, find_tour

_TOUR = re.compile(
    r"travel+ing (santa|sales\w*)|shortest (possible )?(path|route|tour)"
    r"|(length|distance) of (the|your|a|each) (whole |total |entire )?(path|route|tour)|\b(path|route|tour)(['’]s)? (length|distance)",
    re.IGNORECASE,
)
_BACK = re.compile(
    r"(return|back|go(es)? home)\w* to (the |its |your )?(start|first|origin|begin|north pole|depot|home)|closed (tour|loop|path)|round trip",
    re.IGNORECASE,
)
_MORE_THAN_LENGTH = re.compile(r"\bprime|penalt|heavier|weight of|time window|capacit|%\s*longer|percent longer", re.IGNORECASE)
_FOUR_IN_A_ROW = re.compile(r"connect[ -]?x\b|connect[ -]?(four|4)\b|four( of \w+ own)?[ -]in[ -]a[ -]row", re.IGNORECASE)
_AGENT = re.compile(r"\bagents?\b|\bbots?\b|def act\(|episode", re.IGNORECASE)


def recognize_tour(data_dir: Path, description: str) -> Tour | None:
    """A table of points, a sample that lists them in an order, and a page that asks for a short way. Raises BadInput for files that cannot be read."""
    text = description[:DESCRIPTION_CHARACTERS]
    if not _TOUR.search(text):
        return None
    return read_tour(data_dir, _BACK.search(text) is not None, _MORE_THAN_LENGTH.search(text) is not None)


def read_tour(data_dir: Path, returns: bool, is_proxy: bool) -> Tour | None:
    """The points and the sample of a folder; None when it holds no such pair."""
    files = list_files(data_dir)
    assign_roles(files)
    sample = next((f for f in files if f.role == "sample"), None)
    tables = [f for f in files if f.role in ("table", "train", "test")]
    return None if sample is None else find_tour(sample, _readable(tables), returns, is_proxy)


def recognizes_four_in_a_row(data_dir: Path, description: str) -> bool:
    """No tables, and a page that speaks of agents that play it."""
    files = list_files(data_dir)
    assign_roles(files)
    text = description[:DESCRIPTION_CHARACTERS]
    has_tables = any(f.role in ("train", "test", "sample", "table") for f in files)
    return not has_tables and _FOUR_IN_A_ROW.search(text) is not None and _AGENT.search(text) is not None


def _readable(files: list[ListedFile]) -> list[tuple[ListedFile, TextTable]]:
    kept: list[tuple[ListedFile, TextTable]] = []
    for file in files:
        try:
            kept.append((file, read_table(file.path)))
        except BadInput:
            continue
    return kept
