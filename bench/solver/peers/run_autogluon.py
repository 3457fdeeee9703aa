"""AutoGluon-Tabular on one competition. `--option`: the preset."""

import tempfile

import numpy as np
import pandas as pd
from autogluon.tabular import TabularPredictor
from peer import Order, run

_METRICS = {
    "rmse": "root_mean_squared_error",
    "mae": "mean_absolute_error",
    "auc": "roc_auc",
    "logloss": "log_loss",
    "f1_macro": "f1_macro",
}


def solve(order: Order) -> pd.DataFrame | np.ndarray:
    """Fits within the limit and predicts what the metric wants."""
    is_number = order.metric in ("rmse", "mae")
    with tempfile.TemporaryDirectory() as folder:
        predictor = TabularPredictor(
            label=order.target,
            eval_metric=_METRICS[order.metric],
            problem_type="regression" if is_number else None,
            path=folder,
            verbosity=1,
        )
        # Its trial fit for dynamic stacking can leave a short limit with no model at all ("Learner is already fit").
        predictor.fit(order.train, time_limit=order.limit_s, presets=order.option, dynamic_stacking=False, num_cpus=2, num_gpus=0)
        if is_number or order.metric == "f1_macro":
            return predictor.predict(order.test).to_numpy()
        table = predictor.predict_proba(order.test)
        if order.by_class:
            return table
        return table[sorted(table.columns)[-1]].to_numpy()


run(solve)
