"""Every metric by id: direction, what it needs, how folds are put together. The ids equal METRIC_IDS of the protocol."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """`needs`: `label` (decided classes), `probability`, `value` (numbers), or `gini` (probability or numbers)."""

    id: str
    direction: str
    needs: str
    pooled: bool = False
    """Computed over all validated rows at once, because single folds may lack a class or be too small to say anything."""


_LABEL = ("accuracy", "balanced_accuracy", "f1", "f1_macro", "f1_micro", "f1_weighted", "mcc", "qwk")
_PROBABILITY_UP = ("auc", "auc_mean_columns", "average_precision")
_PROBABILITY_DOWN = ("logloss", "logloss_mean_columns", "brier")
_VALUE_DOWN = ("rmse", "rmse_mean_columns", "rmsle", "rmsle_mean_columns", "mse", "mae", "medae", "mape", "smape")
_VALUE_UP = ("r2", "pearson", "spearman")
_MEAN_OF_FOLDS_LABEL = ("accuracy", "f1_micro")

METRICS: dict[str, Metric] = {
    **{m: Metric(m, "maximize", "label", m not in _MEAN_OF_FOLDS_LABEL) for m in _LABEL},
    **{m: Metric(m, "maximize", "probability") for m in _PROBABILITY_UP},
    **{m: Metric(m, "minimize", "probability") for m in _PROBABILITY_DOWN},
    **{m: Metric(m, "minimize", "value") for m in _VALUE_DOWN},
    **{m: Metric(m, "maximize", "value") for m in _VALUE_UP},
    "gini": Metric("gini", "maximize", "gini"),
}

RANK_METRICS = frozenset({"auc", "auc_mean_columns", "average_precision", "gini", "spearman"})
"""Only the order of scores matters."""
