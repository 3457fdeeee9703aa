"""Deterministic splits and plain CSV writing. Only numpy's RandomState is random here: its stream is frozen."""

import csv
from pathlib import Path

import numpy as np

SEED = 2024
PUBLIC_SHARE = 0.4


def split_plain(n_rows: int, n_test: int) -> tuple[list[int], list[int]]:
    """Train and test positions. The same as scikit-learn's train_test_split(test_size=n_test, random_state=SEED)."""
    order = np.random.RandomState(SEED).permutation(n_rows)
    return order[n_test:].tolist(), order[:n_test].tolist()


def split_stratified(labels: list[str], n_test: int) -> tuple[list[int], list[int]]:
    """Train and test positions with each label's share kept (largest remainders get the rows left over)."""
    random = np.random.RandomState(SEED)
    share = n_test / len(labels)
    groups = {label: [i for i, x in enumerate(labels) if x == label] for label in sorted(set(labels))}
    quota = {label: int(len(rows) * share) for label, rows in groups.items()}
    by_remainder = sorted(groups, key=lambda label: (-(len(groups[label]) * share - quota[label]), label))
    for label in by_remainder[: n_test - sum(quota.values())]:
        quota[label] += 1
    train: list[int] = []
    test: list[int] = []
    for label, rows in groups.items():
        order = random.permutation(rows).tolist()
        test += order[: quota[label]]
        train += order[quota[label] :]
    return random.permutation(train).tolist(), random.permutation(test).tolist()


def split_groups(groups: list[str], test_share: float) -> tuple[list[int], list[int]]:
    """Train and test positions, no group in both, each in random order: `test_share` of the groups are the test's."""
    random = np.random.RandomState(SEED)
    names = sorted(set(groups))
    held = {names[i] for i in random.permutation(len(names))[: round(len(names) * test_share)].tolist()}
    order = random.permutation(len(groups)).tolist()
    return [i for i in order if groups[i] not in held], [i for i in order if groups[i] in held]


def assign_usage(n_test: int) -> list[str]:
    """Which part of the hidden answers scores the public leaderboard, one word a test row."""
    public = set(np.random.RandomState(SEED + 1).permutation(n_test)[: round(n_test * PUBLIC_SHARE)].tolist())
    return ["Public" if i in public else "Private" for i in range(n_test)]


def write_csv(path: Path, header: list[str], rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([[format_cell(value) for value in row] for row in rows])


def format_cell(value) -> str:
    if value is None or value != value:
        return ""
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def write_competition(examples: Path, slug: str, tables: dict) -> None:
    """Write train, test, sample and answers from {id, features, target, train, test, sample}; ids are fresh and tell nothing."""
    id_column, features, target = tables["id"], tables["features"], tables["target"]
    train, test = tables["train"], tables["test"]
    data = examples / slug / "data"
    answers = examples / "answers" / slug / "answers.csv"
    test_ids = range(len(train) + 1, len(train) + len(test) + 1)
    write_csv(data / "train.csv", [id_column, *features, target], ([i, *x, y] for i, (x, y) in enumerate(train, 1)))
    write_csv(data / "test.csv", [id_column, *features], ([i, *x] for i, (x, _) in zip(test_ids, test)))
    write_csv(data / "sample_submission.csv", [id_column, target], ([i, tables["sample"]] for i in test_ids))
    usage = assign_usage(len(test))
    write_csv(answers, [id_column, target, "Usage"], ([i, y, u] for i, (_, y), u in zip(test_ids, test, usage)))
