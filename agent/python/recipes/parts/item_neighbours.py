"""For recommenders: the items that go with what a user had (cosine of items over users), and the items that most users had."""

from scipy import sparse

SHRINK = PARAMS.get("shrink", 5.0)
RECENT = PARAMS.get("recent", 100)
POPULAR_WEIGHT = PARAMS.get("popular_weight", 0.05)
MOST_NEIGHBOURS = 200


def read_interactions(folder):
    """User, item and place in time of each interaction, of the table with both columns that has the most rows."""
    best = None
    for table in TASK["tables"]:
        path = folder / "tables" / f"{table['name']}.parquet"
        if path.exists() and USER in table["column_types"] and ITEM in table["column_types"]:
            frame = pd.read_parquet(path)
            if best is None or len(frame) > len(best):
                best = frame
    if best is None:
        return pd.DataFrame({USER: [], ITEM: [], "moment": []})
    moment = best[TIME] if TIME in best else pd.Series(0, index=best.index)
    if TASK["column_types"].get(TIME) == "datetime" or moment.dtype == object:
        moment = pd.to_datetime(moment, errors="coerce", utc=True, format="mixed").astype("int64")
    return pd.DataFrame({USER: best[USER], ITEM: best[ITEM].astype(str), "moment": moment})


def item_matrix(history, train, target):
    """(users, items) of what is known of the users to learn from, what is to be answered of them included; and the items' index."""
    labels = [(user, item) for user, cell in zip(train[USER], train[target].fillna("").astype(str), strict=True) for item in cell.split()]
    known = pd.concat([history[[USER, ITEM]], pd.DataFrame(labels, columns=[USER, ITEM])], ignore_index=True).drop_duplicates()
    users, _ = pd.factorize(known[USER])
    items, names = pd.factorize(known[ITEM])
    return sparse.csr_matrix((np.ones(len(known)), (users, items)), shape=(users.max() + 1, len(names))), pd.Index(names)


def neighbours(matrix):
    """(items, items) shrunk cosine, each item's nearest ones only."""
    counts = np.asarray(matrix.sum(axis=0)).ravel()
    common = (matrix.T @ matrix).tocoo()
    keep = common.row != common.col
    rows, columns, values = common.row[keep], common.col[keep], common.data[keep]
    values = values / (np.sqrt(counts[rows] * counts[columns]) + SHRINK)
    order = np.lexsort((-values, rows))
    rows, columns, values = rows[order], columns[order], values[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows, side="left")
    near = place < MOST_NEIGHBOURS
    return sparse.csr_matrix((values[near], (rows[near], columns[near])), shape=common.shape), counts


def seen_share(history, train, target):
    """How often an answer is an item that the user had before: whether such items may be listed."""
    had = history.groupby(USER)[ITEM].agg(set)
    hits = total = 0
    for user, cell in zip(train[USER].head(5000), train[target].fillna("").astype(str).head(5000), strict=True):
        own = had.get(user, set())
        total += len(cell.split())
        hits += sum(item in own for item in cell.split())
    return hits / max(total, 1)


def main():
    """Reads, ranks the items for each user, writes."""
    train, rows = read_rows(ARGUMENTS.train, "train"), read_rows(ARGUMENTS.predict, "rows")
    target, places = TASK["targets"][0]["name"], TASK["k"] or 10
    history, own = read_interactions(ARGUMENTS.train), read_interactions(ARGUMENTS.predict)
    matrix, names = item_matrix(history, train, target)
    near, counts = neighbours(matrix)
    popular = POPULAR_WEIGHT * counts / max(counts.max(), 1)
    again = seen_share(history, train, target) > 0.05
    NOTES["lists_seen_items"] = bool(again)
    own = own.sort_values("moment", kind="stable").groupby(USER)[ITEM].agg(list)
    lists = []
    for user in rows[USER]:
        had = own.get(user, [])[-RECENT:]
        codes = names.get_indexer(had)
        weights = 0.5 + 0.5 * np.arange(1, len(had) + 1) / max(len(had), 1)
        known = codes >= 0
        scores = popular.copy()
        if known.any():
            scores += np.asarray(sparse.csr_matrix(weights[known]) @ near[codes[known]].toarray()).ravel()
        if again:
            np.add.at(scores, codes[known], 0.5 * weights[known])
        else:
            scores[codes[known]] = -1
        best = np.argsort(-scores, kind="stable")[:places]
        lists.append(" ".join(names[i] for i in best if scores[i] >= 0))
    ARGUMENTS.out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({KEY: rows[KEY].to_numpy(), target: lists}).to_csv(ARGUMENTS.out / "scores.csv", index=False)
    NOTES["seconds"] = round(time.monotonic() - STARTED, 2)
    (ARGUMENTS.out / "notes.json").write_text(json.dumps(NOTES)[:4000], encoding="utf-8")


USER, ITEM, TIME = (TASK["recommender"][name] for name in ("user_column", "item_column", "time_column"))
main()
