"""Part: inner splits of the run's own training rows, cut as the harness cuts: by group, by time, or stratified."""

from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

#: Test rows come later than training rows, so the latest of these say most.
IS_TIMED = TASK["shape"] in ("time", "panel")


def time_order(train):
    """Seconds or numbers that order the rows in time."""
    values = train[TASK["time_column"]]
    if TASK["column_types"].get(TASK["time_column"]) == "datetime":
        return parse_dates(values).astype("int64").to_numpy()
    return values.to_numpy(dtype=np.float64)


def parse_dates(values):
    """Dates of one column; what cannot be read is missing. In one format if that reads all, so that days and months keep their places."""
    import warnings

    # Each text once: reading is slow, and dates repeat.
    codes, texts = pd.factorize(values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parsed = pd.to_datetime(texts, errors="coerce", utc=True)
    if parsed.isna().any():
        parsed = pd.to_datetime(texts, errors="coerce", utc=True, format="mixed")
    return pd.Series(parsed.take(codes, allow_fill=True, fill_value=pd.NaT), index=values.index)


def inner_splits(train, y, target, count):
    """Pairs of row numbers (learn, check). Time: one pair, the last 15 %."""
    rows = np.arange(len(train))
    if IS_TIMED and TASK["time_column"] in train:
        order = np.argsort(time_order(train), kind="stable")
        cut = int(0.85 * len(order))
        return [(order[:cut], order[cut:])]
    if TASK["shape"] == "groups" and TASK["group_column"] in train:
        groups = train[TASK["group_column"]].astype(str).to_numpy()
        count = min(count, len(np.unique(groups)))
        return list(GroupKFold(count).split(rows, y, groups))
    seed = ARGUMENTS.seed
    if target["classes"] is not None and np.bincount(y).max() >= count:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(StratifiedKFold(count, shuffle=True, random_state=seed).split(rows, y))
    return list(KFold(count, shuffle=True, random_state=seed).split(rows))
