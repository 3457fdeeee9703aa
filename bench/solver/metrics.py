"""The judge of bench:solver: losses by scikit-learn alone, apart from the product's own grader. Smaller is better, for every metric."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn import metrics

SENTENCES = {
    "rmsle": "Root Mean Squared Logarithmic Error (RMSLE)",
    "rmse": "Root Mean Squared Error (RMSE)",
    "mae": "Mean Absolute Error (MAE)",
    "auc": "area under the ROC curve (AUC)",
    "logloss": "log loss",
    "f1_macro": "macro F1 score",
}
"""How a competition's page names each metric."""
MEAN_COLUMNS_SENTENCE = "mean columnwise root mean squared error (MCRMSE)"
_LEAST = 1e-15


def is_by_class(metric: str, classes: int) -> bool:
    """Whether a submission has a column of probabilities for each class."""
    return metric == "logloss" and classes > 2


def compute_loss(metric: str, truth: pd.DataFrame, answer: pd.DataFrame) -> float:
    """`truth`: the target columns; `answer`: the submission's columns without the id, in the same row order. 1 - score where more is better."""
    return _LOSSES[metric](truth, answer)


def _rmsle(truth: pd.DataFrame, answer: pd.DataFrame) -> float:
    return _rmse(np.log1p(truth), np.log1p(answer.clip(lower=0)))


def _rmse(truth: pd.DataFrame, answer: pd.DataFrame) -> float:
    errors = truth.to_numpy(float) - answer[truth.columns].to_numpy(float)
    return float(np.sqrt((errors**2).mean(axis=0)).mean())


def _mae(truth: pd.DataFrame, answer: pd.DataFrame) -> float:
    return float(np.abs(truth.to_numpy(float) - answer[truth.columns].to_numpy(float)).mean())


def _auc(truth: pd.DataFrame, answer: pd.DataFrame) -> float:
    positive = sorted(truth.iloc[:, 0].unique())[-1]
    return 1.0 - float(metrics.roc_auc_score(truth.iloc[:, 0] == positive, answer.iloc[:, 0]))


def _logloss(truth: pd.DataFrame, answer: pd.DataFrame) -> float:
    table = np.clip(answer.to_numpy(float), _LEAST, 1.0)
    table = table / table.sum(axis=1, keepdims=True)
    at = answer.columns.get_indexer(truth.iloc[:, 0].astype(str))
    return float(-np.log(table[np.arange(len(table)), at]).mean())


def _f1_macro(truth: pd.DataFrame, answer: pd.DataFrame) -> float:
    return 1.0 - float(metrics.f1_score(truth.iloc[:, 0].astype(str), answer.iloc[:, 0].astype(str), average="macro"))


_LOSSES: dict[str, Callable[[pd.DataFrame, pd.DataFrame], float]] = {
    "rmsle": _rmsle,
    "rmse": _rmse,
    "mae": _mae,
    "auc": _auc,
    "logloss": _logloss,
    "f1_macro": _f1_macro,
}
