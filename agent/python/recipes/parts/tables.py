"""Part: tables beside the rows, joined by their keys: one row a key as columns, many as what they come to."""

MOST_TABLES = 12
MOST_COLUMNS = 40


def add_tables(train, rows):
    """Both frames with columns from the tables that join them; these are features from then on."""
    train, rows = train.copy(deep=False), rows.copy(deep=False)
    for table in [t for t in TASK["tables"] if t["key"] and not t["ends_with_train"]][:MOST_TABLES]:
        folders = {"train": ARGUMENTS.train, "predict": ARGUMENTS.predict}
        files = [folders[place] / "tables" / f"{table['name']}.parquet" for place in table["places"]]
        beside = pd.concat([pd.read_parquet(f) for f in files if f.exists()], ignore_index=True)
        names = one_key(beside, table["key"])
        made = summarize(beside, names, table) if table["relation"] == "many" else pick_columns(beside, names, table)
        for frame in (train, rows):
            own = made.reindex(one_key(frame, table["key"]))
            for name in made:
                frame[name] = own[name].to_numpy()
        for name in made:
            TASK["feature_columns"].append(name)
            TASK["column_types"][name] = made.attrs["kinds"][name]
    return train, rows


def one_key(frame, key):
    """One text a row from the columns of a key, the same for 7 and 7.0."""
    texts = [pd.to_numeric(frame[c]).map("{:.17g}".format) if frame[c].dtype.kind in "if" else frame[c].astype(str) for c in key]
    return texts[0] if len(texts) == 1 else texts[0].str.cat(texts[1:], sep="\x1f")


def others_of(beside, table, *kinds):
    """The table's columns of some types that are no key."""
    return [c for c in beside.columns if c not in table["key"] and table["column_types"].get(c) in kinds][:MOST_COLUMNS]


def pick_columns(beside, names, table):
    """One row a key: its columns as they are."""
    columns = others_of(beside, table, "numeric", "boolean", "categorical", "datetime", "text")
    made = pd.DataFrame({f"{table['name']} {c}": beside[c].to_numpy() for c in columns}, index=names)
    made = made[~made.index.duplicated()]
    made.attrs["kinds"] = {f"{table['name']} {c}": table["column_types"][c] for c in columns}
    return made


def summarize(beside, names, table):
    """Many rows a key: how many, and of numbers the mean, least, largest, spread and last, of words the most frequent and how many."""
    names = pd.Series(names.to_numpy(), name="name")
    sizes = names.groupby(names).size()
    made = {f"{table['name']} rows": sizes}
    kinds = {f"{table['name']} rows": "numeric"}
    for column in others_of(beside, table, "numeric", "boolean"):
        groups = pd.to_numeric(beside[column], errors="coerce").astype("float64").reset_index(drop=True).groupby(names)
        for how in ("mean", "min", "max", "std", "last"):
            made[f"{table['name']} {column} {how}"] = getattr(groups, how)()
            kinds[f"{table['name']} {column} {how}"] = "numeric"
    for column in others_of(beside, table, "categorical"):
        values = beside[column].reset_index(drop=True)
        made[f"{table['name']} {column} kinds"] = values.groupby(names).nunique()
        kinds[f"{table['name']} {column} kinds"] = "numeric"
        pairs = pd.DataFrame({"name": names, "value": values}).dropna().value_counts(sort=True).reset_index()
        made[f"{table['name']} {column} most"] = pairs.drop_duplicates("name").set_index("name")["value"]
        kinds[f"{table['name']} {column} most"] = "categorical"
    out = pd.DataFrame(made)
    out.attrs["kinds"] = kinds
    return out
