"""Every metric by id: direction, what it needs, how folds are put together. The ids equal METRIC_IDS of the protocol."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """`needs`: `label` (decided classes), `probability`, `value` (numbers), `gini` (probability or numbers), `survival` (a risk), `rank`, `set`,
    `string`, `mask`, `masks`, `box` (answers that are texts), `quantile` (numbers, one a level), or what no row holds yet: `distribution`, `history`,
    `subgroup`, `columns`."""

    id: str
    direction: str
    needs: str
    pooled: bool = False
    """Computed over all validated rows at once, because single folds may lack a class or be too small to say anything."""
    extras: tuple[str, ...] = ()
    """What it wants of each row besides label and score: `weights`, `groups` (codes of queries, eras or series); and `k`, and the `histories` of
    series."""
    joint: bool = False
    """Takes all targets at once, as columns, instead of being averaged over them."""
    most: float = 1.0
    """What a perfect score is, where more is better."""


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
    "map_of_classes": Metric("map_of_classes", "maximize", "probability", extras=("k",)),
    "wape": Metric("wape", "minimize", "value", True),
    "wmae": Metric("wmae", "minimize", "value", extras=("weights",)),
    "wrmse": Metric("wrmse", "minimize", "value", extras=("weights",)),
    "wr2": Metric("wr2", "maximize", "value", True, ("weights",)),
    "weighted_logloss": Metric("weighted_logloss", "minimize", "probability", extras=("weights",)),
    "pearson_by_group": Metric("pearson_by_group", "maximize", "value", True, ("groups",)),
    "spearman_by_group": Metric("spearman_by_group", "maximize", "value", True, ("groups",)),
    "ndcg_by_group": Metric("ndcg_by_group", "maximize", "gini", True, ("groups", "k")),
    "map_by_group": Metric("map_by_group", "maximize", "gini", True, ("groups", "k")),
    "recall_by_group": Metric("recall_by_group", "maximize", "gini", True, ("groups", "k")),
    "mrr_by_group": Metric("mrr_by_group", "maximize", "gini", True, ("groups",)),
    "f1_samples": Metric("f1_samples", "maximize", "label", joint=True),
    "jaccard_samples": Metric("jaccard_samples", "maximize", "label", joint=True),
    "concordance": Metric("concordance", "maximize", "survival", True),
    "stratified_concordance": Metric("stratified_concordance", "maximize", "survival", True, ("groups",)),
    **{m: Metric(m, "maximize", "rank", False, ("k",)) for m in ("map_of_lists", "ndcg_of_lists")},
    "recall_of_lists": Metric("recall_of_lists", "maximize", "rank", True, ("k",)),
    **{m: Metric(m, "maximize", "set") for m in ("f1_of_sets", "f2_of_sets", "jaccard_of_sets")},
    "normalised_edit_similarity": Metric("normalised_edit_similarity", "maximize", "string", True),
    **{m: Metric(m, "maximize", "string", True, most=100.0) for m in ("bleu", "chrf")},
    **{m: Metric(m, "maximize", "string") for m in ("rouge_1", "rouge_2", "rouge_l")},
    **{m: Metric(m, "minimize", "string", True) for m in ("cer", "wer")},
    "mean_edit_distance": Metric("mean_edit_distance", "minimize", "string"),
    "dice_by_image": Metric("dice_by_image", "maximize", "mask"),
    **{m: Metric(m, "maximize", "masks") for m in ("iou_precision", "iou_f2")},
    "panoptic_quality": Metric("panoptic_quality", "maximize", "masks", True),
    "box_precision": Metric("box_precision", "maximize", "box"),
    "haversine": Metric("haversine", "minimize", "value", joint=True),
    "mean_pinball": Metric("mean_pinball", "minimize", "quantile"),
    "rmsse": Metric("rmsse", "minimize", "value", True, ("groups", "histories")),
}
"""Those that a table of scores, a row each, is enough for."""

_OTHERS = {
    "rank": ("gap",),
    "box": ("object_average_precision",),
    "distribution": ("laplace_log_likelihood",),
    "subgroup": ("bias_auc",),
}
_OTHERS_DOWN = {
    "quantile": ("pinball", "scaled_pinball"),
    "distribution": ("crps_of_members", "crps_of_steps"),
    "history": ("wrmsse",),
    "columns": ("column_weighted_logloss",),
}
OTHER_METRICS: dict[str, Metric] = {
    m: Metric(m, direction, needs, True)
    for direction, table in (("maximize", _OTHERS), ("minimize", _OTHERS_DOWN))
    for needs, names in table.items()
    for m in names
}
"""Those that need surenesses of objects, distributions, or weights of series. No shape that is cut yet gives them: the nearest of the others stands in."""

UNLABELLED_METRICS: dict[str, Metric] = {
    "tour_length": Metric("tour_length", "minimize", "order"),
    "win_rate": Metric("win_rate", "maximize", "games"),
}
"""Of competitions without labels: what is given is measured itself (`unlabelled/`)."""

ANSWER_NEEDS = frozenset({"rank", "set", "string", "mask", "masks", "box"})
"""Needs of metrics whose answers are texts: lists, sets, free text, run lengths, boxes. They are never averaged."""

RANK_METRICS = frozenset(
    {
        "auc",
        "auc_mean_columns",
        "partial_auc",
        "average_precision",
        "amex",
        "gini",
        "spearman",
        "spearman_mean_columns",
        "spearman_by_group",
        "ndcg_by_group",
        "map_by_group",
        "recall_by_group",
        "mrr_by_group",
        "concordance",
        "stratified_concordance",
    }
)
"""Only the order of scores matters."""

BINARY_METRICS = frozenset({"f1", "f05", "f2", "jaccard", "precision", "recall", "partial_auc", "pf1", "amex", "gini"})
"""For two classes only."""

LOG_LOSS_METRICS = frozenset({"logloss", "logloss_mean_columns", "balanced_logloss", "weighted_logloss"})
"""Logarithms of probabilities."""

LOG_VALUE_METRICS = frozenset({"rmsle", "rmsle_mean_columns", "msle"})
"""Logarithms of numbers: predictions below 0 have no meaning."""

DEVIANCE_METRICS = frozenset({"poisson_deviance", "gamma_deviance"})
"""Predictions must be above 0."""
