"""Part: features of tables. Everything is learned on training rows; the target is used out of fold only."""

import re


def date_parts(frame):
    """Numbers from date columns: parts that repeat, and days since 2000."""
    out = {}
    for column in columns_of("datetime"):
        parsed = parse_dates(frame[column])
        out[f"{column} year"], out[f"{column} month"] = parsed.dt.year, parsed.dt.month
        out[f"{column} day"], out[f"{column} weekday"] = parsed.dt.day, parsed.dt.day_of_week
        hour = parsed.dt.hour
        if hour.nunique() > 1:
            out[f"{column} hour"] = hour
        out[f"{column} days"] = (parsed - pd.Timestamp("2000-01-01", tz="UTC")).dt.total_seconds() / 86400
    return pd.DataFrame(out, index=frame.index).astype("float64")


def split_composites(train, rows, categories):
    """Codes such as `B/0/P` or `0001_01` also give their parts."""
    made = []
    for column in categories:
        sample = train[column].dropna().astype(str).head(500)
        for mark in ("/", "_", "-", " "):
            counts = sample.str.count(re.escape(mark))
            if len(sample) and sample.nunique() > 20 and counts.nunique() == 1 and 1 <= counts.iloc[0] <= 4:
                for i in range(int(counts.iloc[0]) + 1):
                    name = f"{column} part {i}"
                    for frame in (train, rows):
                        frame[name] = frame[column].astype("object").str.split(mark).str.get(i)
                    made.append(name)
                break
    return made


def read_columns(train, rows):
    """Numbers (float) and categories (text or missing) of both tables: `(numbers, categories)` pairs of frames."""
    train, rows = train.copy(deep=False), rows.copy(deep=False)
    categories = columns_of("categorical")
    categories = categories + split_composites(train, rows, categories)
    numeric = columns_of("numeric", "boolean")
    made = []
    for frame in (train, rows):
        numbers = pd.DataFrame({c: pd.to_numeric(frame[c], errors="coerce") for c in numeric}, index=frame.index).astype("float64")
        texts = pd.DataFrame({f"{c} length": frame[c].astype("object").str.len() for c in columns_of("text")}, index=frame.index)
        words = pd.DataFrame({f"{c} words": frame[c].astype("object").str.count(" ") for c in columns_of("text")}, index=frame.index)
        numbers = pd.concat([numbers, date_parts(frame), texts.astype("float64"), words.astype("float64")], axis=1)
        labels = pd.DataFrame({c: frame[c].astype("object") for c in categories}, index=frame.index)
        made.append((numbers, labels))
    late = []
    for column in [c for c in made[0][1].columns if " part " in c]:
        parsed = [pd.to_numeric(m[1][column], errors="coerce") for m in made]
        if parsed[0].notna().mean() > 0.9:
            late.append(column)
            for (numbers, _), values in zip(made, parsed, strict=True):
                numbers[column] = values.astype("float64")
    return [(numbers, labels.drop(columns=late)) for numbers, labels in made]


def category_codes(train_labels, rows_labels, least=1):
    """Whole codes by falling frequency of the training rows; rare, unseen and missing values are −1."""
    out = [{}, {}]
    for column in train_labels:
        counts = train_labels[column].value_counts()
        counts = counts[counts >= least]
        codes = {value: code for code, value in enumerate(sorted(counts.index, key=lambda v: (-counts[v], str(v))))}
        for made, frame in zip(out, (train_labels, rows_labels), strict=True):
            made[column] = frame[column].map(codes).fillna(-1).astype("int32")
    return [pd.DataFrame(m, index=f.index) for m, f in zip(out, (train_labels, rows_labels), strict=True)]


def frequencies(train_labels, rows_labels, least_levels=10):
    """Share of training rows with the same value, for columns of many levels."""
    out = [{}, {}]
    for column in train_labels:
        counts = train_labels[column].value_counts(normalize=True)
        if len(counts) > least_levels:
            for made, frame in zip(out, (train_labels, rows_labels), strict=True):
                made[f"{column} share"] = frame[column].map(counts).fillna(0.0).astype("float64")
    return [pd.DataFrame(m, index=f.index) for m, f in zip(out, (train_labels, rows_labels), strict=True)]


def target_tables(y, target):
    """What a target encoding averages: the number itself, or one indicator a class (the positive one of two)."""
    if target["classes"] is None:
        return y[:, None].astype(np.float64)
    count = len(target["classes"])
    table = np.eye(count)[y]
    return table[:, 1:] if count == 2 else table[:, : min(count, 20)]


def encode_mean(labels, wanted, learn, answer, table, weight):
    """Smoothed class means of the `learn` rows for the `answer` rows."""
    prior = table[learn].mean(axis=0)
    codes, levels = pd.factorize(labels.iloc[learn], use_na_sentinel=False)
    sums = np.zeros((len(levels), table.shape[1]))
    np.add.at(sums, codes, table[learn])
    counts = np.bincount(codes, minlength=len(levels))[:, None]
    means = (sums + weight * prior) / (counts + weight)
    position = pd.Index(levels).get_indexer(wanted.iloc[answer] if answer is not None else wanted)
    return np.where((position >= 0)[:, None], means[np.maximum(position, 0)], prior)


def target_encodings(train, train_labels, rows_labels, y, target, columns, weight=10.0):
    """Mean target a category: out of fold for training rows, from all training rows for the others."""
    table = target_tables(y, target)
    fold_pairs = inner_splits(train, y, target, 5)
    if IS_TIMED:
        order = np.array_split(np.random.default_rng(ARGUMENTS.seed).permutation(len(train)), 5)
        fold_pairs = [(np.setdiff1d(np.arange(len(train)), part), part) for part in order]
    out = [{}, {}]
    for column in columns:
        inner = np.empty((len(train), table.shape[1]))
        for learn, answer in fold_pairs:
            inner[answer] = encode_mean(train_labels[column], train_labels[column], learn, answer, table, weight)
        outer = encode_mean(train_labels[column], rows_labels[column], np.arange(len(train)), None, table, weight)
        for i in range(table.shape[1]):
            out[0][f"{column} mean {i}"], out[1][f"{column} mean {i}"] = inner[:, i], outer[:, i]
    return pd.DataFrame(out[0], index=train.index), pd.DataFrame(out[1], index=rows_labels.index)
