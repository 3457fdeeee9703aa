"""FLAML on one competition. `--option`: `single`, or `ensemble` for its stack."""

import numpy as np
import pandas as pd
from flaml import AutoML
from peer import Order, run

_METRICS = {"rmse": "rmse", "mae": "mae", "auc": "roc_auc", "logloss": "log_loss", "f1_macro": "macro_f1"}


def solve(order: Order) -> pd.DataFrame | np.ndarray:
    """Searches within the limit and predicts what the metric wants."""
    is_number = order.metric in ("rmse", "mae")
    automl = AutoML()
    automl.fit(
        X_train=order.train.drop(columns=order.target),
        y_train=order.train[order.target],
        task="regression" if is_number else "classification",
        metric=_METRICS[order.metric],
        time_budget=order.limit_s,
        ensemble=order.option == "ensemble",
        n_jobs=2,
        verbose=0,
        seed=1,
    )
    if is_number or order.metric == "f1_macro":
        return np.asarray(automl.predict(order.test))
    table = pd.DataFrame(automl.predict_proba(order.test), columns=list(automl.classes_))
    if order.by_class:
        return table
    return table[sorted(table.columns)[-1]].to_numpy()


run(solve)
