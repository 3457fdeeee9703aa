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


_LABEL = ("accuracy", "balanced_accuracy", "f1", "f05", "f2", "f1_macro", "f1_micro", "f1_weighted", "mcc", "qwk")
_LABEL += ("kappa", "kappa_linear", "jaccard", "precision", "recall")
_PROBABILITY_UP = ("auc", "auc_mean_columns", "partial_auc", "average_precision")
_PROBABILITY_UP_POOLED = ("pf1", "amex")
_PROBABILITY_DOWN = ("logloss", "logloss_mean_columns", "brier")
_VALUE_DOWN = ("rmse", "rmse_mean_columns", "rmsle", "rmsle_mean_columns", "mse", "msle", "mae", "mae_mean_columns", "medae")
_VALUE_DOWN += ("mape", "smape", "rmspe", "log_cosh", "poisson_deviance", "gamma_deviance")
_VALUE_UP = ("r2", "explained_variance", "pearson", "spearman", "spearman_mean_columns")
_MEAN_OF_FOLDS_LABEL = ("accuracy", "f1_micro")

METRICS: dict[str, Metric] = {
    **{m: Metric(m, "maximize", "label", m not in _MEAN_OF_FOLDS_LABEL) for m in _LABEL},
    **{m: Metric(m, "maximize", "probability") for m in _PROBABILITY_UP},
    **{m: Metric(m, "maximize", "probability", True) for m in _PROBABILITY_UP_POOLED},
    **{m: Metric(m, "minimize", "probability") for m in _PROBABILITY_DOWN},
    "balanced_logloss": Metric("balanced_logloss", "minimize", "probability", True),
    "error_rate": Metric("error_rate", "minimize", "label"),
    **{m: Metric(m, "minimize", "value") for m in _VALUE_DOWN},
    **{m: Metric(m, "maximize", "value") for m in _VALUE_UP},
    "gini": Metric("gini", "maximize", "gini"),
}

RANK_METRICS = frozenset(
    {"auc", "auc_mean_columns", "partial_auc", "average_precision", "amex", "gini", "spearman", "spearman_mean_columns"}
)
"""Only the order of scores matters."""

BINARY_METRICS = frozenset({"f1", "f05", "f2", "jaccard", "precision", "recall", "partial_auc", "pf1", "amex", "gini"})
"""For two classes only."""

LOG_LOSS_METRICS = frozenset({"logloss", "logloss_mean_columns", "balanced_logloss"})
"""Logarithms of probabilities."""

LOG_VALUE_METRICS = frozenset({"rmsle", "rmsle_mean_columns", "msle"})
"""Logarithms of numbers: predictions below 0 have no meaning."""

DEVIANCE_METRICS = frozenset({"poisson_deviance", "gamma_deviance"})
"""Predictions must be above 0."""
