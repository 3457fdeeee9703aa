"""Score the constant and one simple model on each demo competition: python examples/build/measure.py (see requirements.txt).

The numbers in examples/README.md come from here. Public and private are the two parts of the hidden answers.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, mean_squared_log_error, roc_auc_score
from sklearn.pipeline import make_pipeline, make_union

EXAMPLES = Path(__file__).resolve().parent.parent


def read_competition(slug: str):
    data = EXAMPLES / slug / "data"
    answers = pd.read_csv(EXAMPLES / "answers" / slug / "answers.csv", keep_default_na=False)
    return pd.read_csv(data / "train.csv"), pd.read_csv(data / "test.csv"), answers


def encode(train: pd.DataFrame, test: pd.DataFrame, features: list[str]):
    both = pd.concat([train[features], test[features]])
    for column in features:
        if both[column].dtype == object:
            both[column] = both[column].astype("category").cat.codes
    return both.iloc[: len(train)], both.iloc[len(train) :]


def report(name: str, score, truth: np.ndarray, usage: np.ndarray, prediction: np.ndarray) -> None:
    parts = {"all": np.ones(len(truth), bool), "public": usage == "Public", "private": usage == "Private"}
    print(f"{name:48s}" + "  ".join(f"{part} {score(truth[rows], prediction[rows]):.4f}" for part, rows in parts.items()))


def measure_house_prices() -> None:
    train, test, answers = read_competition("ames-house-prices")
    truth, usage = answers["Sale_Price"].to_numpy(), answers["Usage"].to_numpy()
    rmsle = lambda y, p: mean_squared_log_error(y, p) ** 0.5  # noqa: E731
    log_price = np.log1p(train["Sale_Price"])
    report("ames-house-prices, mean of log price", rmsle, truth, usage, np.full(len(test), np.expm1(log_price.mean())))
    x, x_test = encode(train, test, list(test.columns[1:]))
    model = HistGradientBoostingRegressor(random_state=0).fit(x, log_price)
    report("ames-house-prices, boosted trees", rmsle, truth, usage, np.expm1(model.predict(x_test)))


def measure_telco_churn() -> None:
    train, test, answers = read_competition("telco-churn")
    truth, usage = answers["churn"].to_numpy(), answers["Usage"].to_numpy()
    report("telco-churn, constant", roc_auc_score, truth, usage, np.full(len(test), 0.5))
    x, x_test = encode(train, test, list(test.columns[1:]))
    model = HistGradientBoostingClassifier(random_state=0).fit(x, train["churn"])
    report("telco-churn, boosted trees", roc_auc_score, truth, usage, model.predict_proba(x_test)[:, 1])


def measure_emoji_sorter() -> None:
    train, test, answers = read_competition("emoji-sorter-text")
    truth, usage = answers["group"].to_numpy(), answers["Usage"].to_numpy()
    macro_f1 = lambda y, p: f1_score(y, p, average="macro", zero_division=0)  # noqa: E731
    majority = train["group"].value_counts().index[0]
    report("emoji-sorter-text, most common group", macro_f1, truth, usage, np.full(len(test), majority))
    words = make_union(TfidfVectorizer(sublinear_tf=True), TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True))
    for name, text in (("annotation", lambda f: f["annotation"]), ("annotation and tags", join_text)):
        model = make_pipeline(words, LogisticRegression(C=10, max_iter=2000, class_weight="balanced")).fit(text(train), train["group"])
        report(f"emoji-sorter-text, linear on {name}", macro_f1, truth, usage, model.predict(text(test)))


def join_text(frame: pd.DataFrame) -> pd.Series:
    return frame["annotation"] + " | " + frame["tags"].fillna("no tags")


if __name__ == "__main__":
    measure_house_prices()
    measure_telco_churn()
    measure_emoji_sorter()
