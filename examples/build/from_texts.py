"""A competition whose answers are texts: the one-line synopsis of a software package."""

import re
from collections import Counter
from pathlib import Path

from built_competition import About, Tables, write_built
from sources import read_debian_index
from split import split_plain

LINES = About(
    slug="write-the-one-liner",
    number=900031,
    title="Write the one-liner",
    task="write the one-line synopsis of a software package from its long description",
    metric="chrF",
    scored_by="chrf",
    evaluation="Submissions are evaluated on **chrF** (character n-grams up to six, beta 2), 0 to 100. Higher is better.",
    id="id",
    target="synopsis",
    columns="- `package`, `section`, `installed_kb`, `description`\n- `synopsis` - the target, a text",
    source="the package index of the machine's Debian release (the packages' own free licences)",
)
MIN_DESCRIPTION_CHARACTERS = 200
_DESCRIPTION = re.compile(r"^Package: (.*)\nDescription-md5: .*\nDescription-en: (.*)\n((?: .*\n)*)", re.MULTILINE)
_FACT = re.compile(r"^(Package|Source|Section|Installed-Size): (.*)$", re.MULTILINE)
_LEFT_OUT_SECTION = re.compile(r"(^|/)(oldlibs|metapackages|debug)$")


def build_one_liners(packages: Path, into: Path) -> None:
    rows = read_packages(*read_debian_index(packages))
    train, test = split_plain(len(rows), 2000)
    features = ["package", "section", "installed_kb", "description"]
    write_built(into, LINES, Tables(features, [rows[i] for i in train], [rows[i] for i in test], "a program"))


def read_packages(facts: str, texts: str) -> list[tuple[tuple, str]]:
    """One package a source, with a long description and a synopsis that no other has."""
    described = {name: (synopsis, tidy(body)) for name, synopsis, body in _DESCRIPTION.findall(texts)}
    found: dict[str, tuple[tuple, str]] = {}
    for entry in facts.split("\n\n"):
        fields = dict(_FACT.findall(entry))
        name, section = fields.get("Package", ""), fields.get("Section", "")
        synopsis, text = described.get(name, ("", ""))
        source = fields.get("Source", name).split(" ")[0]
        if len(text) >= MIN_DESCRIPTION_CHARACTERS and not _LEFT_OUT_SECTION.search(section) and source not in found:
            found[source] = ((name, section, fields.get("Installed-Size", ""), text), synopsis)
    counts = Counter(synopsis for _, synopsis in found.values())
    return [row for _, row in sorted(found.items()) if counts[row[1]] == 1]


def tidy(body: str) -> str:
    """A long description in one line; lines of a single dot part its paragraphs."""
    return re.sub(r"\s+", " ", re.sub(r"^ \.$", " ", body, flags=re.MULTILINE)).strip()
