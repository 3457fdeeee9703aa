"""Write a competition that is built on demand, not committed: its facts, pages, data and hidden answers."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from split import assign_usage, write_csv

RULES = """# Rules

This competition was built on this machine from public packages. Any number of submissions, external data allowed, the hidden answers are not
part of the data.
"""


@dataclass(frozen=True)
class About:
    """What its pages say. `metric` is the display name, `scored_by` the stand-in's name of it, `score_columns` what the answers hold if not `target`."""

    slug: str
    number: int
    title: str
    task: str
    metric: str
    scored_by: str
    evaluation: str
    id: str
    target: str
    columns: str
    source: str
    score_columns: tuple[str, ...] = ()


@dataclass
class Tables:
    """Rows without ids: `train` and `test` pair the features with what is to be predicted (one value, or one for each of `labels`)."""

    features: list[str]
    train: list
    test: list
    sample: object
    labels: list[str] = field(default_factory=list)
    """Names of the label columns of the training table, if not the target's alone."""
    train_only: list[str] = field(default_factory=list)
    """Columns that later rows do not have: the feature tuples of `train` end with them."""
    test_ids: list[str] = field(default_factory=list)
    """Ids of the test rows where they mean something (a series and its month); no training row has one then."""


def write_built(into: Path, about: About, tables: Tables) -> Path:
    """Write everything but media and further tables; returns the data folder for those."""
    home, answers = into / about.slug, into / "answers" / about.slug
    for old in (home, answers):
        shutil.rmtree(old, ignore_errors=True)
    (home / "pages").mkdir(parents=True)
    data = home / "data"
    numbered = not tables.test_ids
    test_ids = tables.test_ids or [str(i) for i in range(len(tables.train) + 1, len(tables.train) + len(tables.test) + 1)]
    labels = tables.labels or [about.target]
    header = [*([about.id] if numbered else []), *tables.features, *tables.train_only, *labels]
    write_csv(data / "train.csv", header, ([*([i] if numbered else []), *x, *as_values(y)] for i, (x, y) in enumerate(tables.train, 1)))
    write_csv(data / "test.csv", [about.id, *tables.features], ([i, *x] for i, (x, _) in zip(test_ids, tables.test, strict=True)))
    write_csv(data / "sample_submission.csv", [about.id, about.target], ([i, tables.sample] for i in test_ids))
    usage = assign_usage(len(tables.test))
    rows = zip(test_ids, tables.test, usage, strict=True)
    write_csv(answers / "answers.csv", [about.id, *labels, "Usage"], ([i, *as_values(y), u] for i, (_, y), u in rows))
    write_facts(home, about, (len(tables.train), len(tables.test)), test_ids[0], tables.sample)
    return data


def as_values(label) -> list:
    return list(label) if isinstance(label, tuple) else [label]


def write_facts(home: Path, about: About, rows: tuple[int, int], first_id: str, sample: object) -> None:
    facts = {
        "id": about.number,
        "title": about.title,
        "description": about.task,
        "category": "Playground",
        "organizationName": "Kaggle Agent demo",
        "enabledDate": "2026-01-01T00:00:00Z",
        "deadline": "2099-01-01T00:00:00Z",
        "maxDailySubmissions": 10,
        "evaluationMetric": about.metric,
        "showsPrivateScore": True,
        "pages": {
            "Description": "overview.md",
            "Evaluation": "evaluation.md",
            "data-description": "data-description.md",
            "rules": "rules.md",
        },
        "scoring": {"metric": about.scored_by, "idColumn": about.id},
    }
    (home / "competition.json").write_text(json.dumps(facts, indent=2) + "\n")
    shown = f"    {about.id},{about.target}\n    {first_id},{sample}\n    etc.\n"
    pages = {
        "overview.md": f"# {about.title}\n\n**Your task: {about.task}.**\n",
        "evaluation.md": f"## Metric\n\n{about.evaluation}\n\n## Submission File\n\nA header, and a row for each `{about.id}` of the test set:\n\n{shown}",
        "data-description.md": f"## Files\n\n- **train.csv** - {rows[0]} rows with what is to be predicted\n- **test.csv** - {rows[1]} rows\n"
        f"- **sample_submission.csv** - a submission in the right format\n\n## Columns\n\n{about.columns}\n\nMade from {about.source}.\n",
        "rules.md": RULES,
    }
    for name, text in pages.items():
        (home / "pages" / name).write_text(text)
