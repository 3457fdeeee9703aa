"""Competitions made from frames of R packages: passengers, reviews, house sales, movie ratings, relapses."""

from pathlib import Path

import numpy as np
from built_competition import About, Tables, write_built
from sources import read_frame
from split import SEED, split_groups, split_plain, split_stratified, write_csv

SURVIVORS = About(
    slug="ship-survivors",
    number=900011,
    title="Ship survivors",
    task="say of each passenger of a ship that sank whether he or she survived (1) or not (0)",
    metric="Categorization Accuracy",
    scored_by="accuracy",
    evaluation="Submissions are evaluated on **accuracy**: the share of passengers that you predict correctly. Higher is better.",
    id="PassengerId",
    target="Survived",
    columns="- `Pclass`, `Name`, `Sex`, `Age` (unknown for a fifth), `SibSp`, `Parch`\n- `Survived` - the target",
    source="Titanicp of the R package vcdExtra and TitanicSurvival of carData (GPL-2 and later)",
)


def build_survivors(packages: Path, into: Path) -> None:
    people = read_frame(packages, "vcdExtra", "Titanicp")
    names = read_frame(packages, "carData", "TitanicSurvival")
    if (people["sex"] != names["sex"]).any() or (people["age"].fillna(-1) != names["age"].fillna(-1)).any():
        raise SystemExit("Titanicp and TitanicSurvival are not in the same order: the names cannot be joined.")
    classes = people["pclass"].str[0].astype(int)
    columns = (classes, names["rownames"], people["sex"], people["age"], people["sibsp"], people["parch"])
    labels = [1 if outcome == "survived" else 0 for outcome in people["survived"]]
    rows = list(zip(zip(*columns, strict=True), labels, strict=True))
    train, test = split_stratified([str(label) for label in labels], 418)
    features = ["Pclass", "Name", "Sex", "Age", "SibSp", "Parch"]
    write_built(into, SURVIVORS, Tables(features, [rows[i] for i in train], [rows[i] for i in test], 0))


REVIEWS = About(
    slug="great-or-not",
    number=900012,
    title="Great or not?",
    task="tell from the text of a review of food whether its writer gave the best mark",
    metric="Area Under Receiver Operating Characteristic Curve",
    scored_by="auc",
    evaluation="Submissions are evaluated on the **area under the ROC curve** between the predicted probability and the observed target. Higher is better.",
    id="review_id",
    target="great",
    columns="- `product` - no product of the test set is in the training set\n- `review` - the text\n- `great` - the target, 1 or 0",
    source="training_data and testing_data of the R package modeldata (MIT; the texts come from a shop)",
)


def build_reviews(packages: Path, into: Path) -> None:
    parts = [read_frame(packages, "modeldata", name) for name in ("training_data", "testing_data")]
    rows = [
        ((p, r), 1 if s == "great" else 0) for part in parts for p, r, s in zip(part["product"], part["review"], part["score"], strict=True)
    ]
    train, test = split_groups([row[0][0] for row in rows], 0.3)
    write_built(into, REVIEWS, Tables(["product", "review"], [rows[i] for i in train], [rows[i] for i in test], 0.5))


SALES = About(
    slug="city-house-sales",
    number=900013,
    title="City house sales",
    task="forecast how many houses are sold in each of 33 cities in each of the next twelve months",
    metric="SMAPE",
    scored_by="smape",
    evaluation="Submissions are evaluated on the **symmetric mean absolute percentage error (SMAPE)**, in per cent. Lower is better.",
    id="city_year_month",
    target="sales",
    columns="- `city`, `year`, `month`\n- `volume`, `median`, `listings`, `inventory` - of past months only\n- `sales` - the target",
    source="txhousing of the R package ggplot2 (GPL-2 as packaged)",
)


def build_city_sales(packages: Path, into: Path) -> None:
    frame = read_frame(packages, "ggplot2", "txhousing")
    missing = frame["sales"].isna().groupby(frame["city"]).mean()
    frame = frame[frame["city"].isin(missing.index[missing < 0.05]) & frame["sales"].notna()]
    month_number = frame["year"] * 12 + frame["month"]
    later = month_number > 2014 * 12 + 7
    past = ["volume", "median", "listings", "inventory"]

    def pair(part, columns):
        return list(zip(part[columns].itertuples(index=False, name=None), part["sales"].tolist(), strict=True))

    train = pair(frame[~later], ["city", "year", "month", *past])
    test_frame = frame[later].iloc[np.random.RandomState(SEED).permutation(int(later.sum()))]
    ids = [f"{c}_{y}_{m}".replace(" ", "-") for c, y, m in zip(test_frame["city"], test_frame["year"], test_frame["month"], strict=True)]
    tables = Tables(["city", "year", "month"], train, pair(test_frame, ["city", "year", "month"]), 100, train_only=past, test_ids=ids)
    write_built(into, SALES, tables)


RATINGS = About(
    slug="movie-ratings",
    number=900014,
    title="Movie ratings",
    task="predict how a user rates a movie, half a star to five",
    metric="Root Mean Squared Error",
    scored_by="rmse",
    evaluation="Submissions are evaluated on the **root mean squared error (RMSE)** of the rating. Lower is better.",
    id="row",
    target="rating",
    columns="- `userId`, `movieId`, `timestamp`\n- `rating` - the target\n- **movies.csv** - `movieId`, `title`, `year`, `genres`",
    source="movielens of the R package dslabs (GroupLens' terms: not for redistribution)",
)


def build_movie_ratings(packages: Path, into: Path) -> None:
    frame = read_frame(packages, "dslabs", "movielens")
    features = ["userId", "movieId", "timestamp"]
    rows = list(zip(frame[features].itertuples(index=False, name=None), frame["rating"].tolist(), strict=True))
    train, test = split_plain(len(rows), 20_000)
    data = write_built(into, RATINGS, Tables(features, [rows[i] for i in train], [rows[i] for i in test], 3.5))
    movies = frame.drop_duplicates("movieId").sort_values("movieId")
    columns = ["movieId", "title", "year", "genres"]
    write_csv(data / "movies.csv", columns, movies[columns].itertuples(index=False, name=None))


RELAPSE = About(
    slug="relapse",
    number=900015,
    title="Relapse",
    task="rank women after an operation by their risk of a relapse or death",
    metric="Concordance Index",
    scored_by="concordance",
    evaluation="Submissions are evaluated on the **concordance index** between the predicted risk and the observed times: the higher the risk, the sooner the event. Higher is better.",
    id="id",
    target="risk",
    columns="- `year`, `age`, `meno`, `size`, `grade`, `nodes`, `pgr`, `er`, `hormon`, `chemo`\n- `time`, `event` - days until the event (1), or until the last visit (0); training set only",
    source="rotterdam of the R package survival (GPL-2 as packaged)",
)


def build_relapse(packages: Path, into: Path) -> None:
    frame = read_frame(packages, "survival", "rotterdam")
    features = ["year", "age", "meno", "size", "grade", "nodes", "pgr", "er", "hormon", "chemo"]
    recurred = frame["recur"] == 1
    times = frame["rtime"].where(recurred, frame["dtime"]).astype(int).tolist()
    events = (recurred | (frame["death"] == 1)).astype(int).tolist()
    rows = list(zip(frame[features].itertuples(index=False, name=None), zip(times, events, strict=True), strict=True))
    train, test = split_stratified([str(event) for event in events], 900)
    tables = Tables(features, [rows[i] for i in train], [rows[i] for i in test], 0.5, labels=["time", "event"])
    write_built(into, RELAPSE, tables)
