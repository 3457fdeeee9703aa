"""For answers that are texts (lists, sets, words, masks, boxes): what the nearest training rows answer."""

from sklearn.decomposition import TruncatedSVD
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NEIGHBOURS = PARAMS.get("neighbours", 15)
MOST_ROWS_IN_SPACE = PARAMS.get("rows_in_space", 5000)


def make_space(train, rows):
    """(rows, columns) of both frames where near means alike: scaled numbers, indicators, words."""
    (numbers, labels), (rows_numbers, rows_labels) = read_columns(train, rows)
    blocks = [[], []]
    if numbers.shape[1]:
        middle = numbers.median().fillna(0.0)
        scaler = StandardScaler().fit(numbers.fillna(middle))
        for block, frame in zip(blocks, (numbers, rows_numbers), strict=True):
            block.append(np.clip(scaler.transform(frame.fillna(middle)), -5, 5))
    if labels.shape[1]:
        coder = OneHotEncoder(handle_unknown="ignore", min_frequency=2).fit(labels.fillna("(missing)").astype(str))
        for block, frame in zip(blocks, (labels, rows_labels), strict=True):
            block.append(coder.transform(frame.fillna("(missing)").astype(str)))
    if columns_of("text"):
        for block, table in zip(blocks, word_matrix(train, rows, columns_of("text"), 30_000, 30_000), strict=True):
            block.append(table * 3.0)
    if not blocks[0]:
        return np.zeros((len(train), 1)), np.zeros((len(rows), 1))
    tables = [sparse.hstack([sparse.csr_matrix(b) for b in block], format="csr") for block in blocks]
    if tables[0].shape[1] > 300:
        svd = TruncatedSVD(min(200, len(train) - 1), random_state=ARGUMENTS.seed).fit(tables[0])
        return svd.transform(tables[0]), svd.transform(tables[1])
    return tables[0].toarray(), tables[1].toarray()


def split_items(text):
    """Items between blanks, or between bars."""
    return [item.strip() for item in text.split("|") if item.strip()] if "|" in text else text.split()


def vote_list(answers, weights, size, mark):
    """The items that near rows list, those of the nearest and of the first places first."""
    votes = {}
    for answer, weight in zip(answers, weights, strict=True):
        for place, item in enumerate(dict.fromkeys(split_items(answer))):
            votes[item] = votes.get(item, 0.0) + weight / (1 + 0.1 * place)
    return mark.join(sorted(votes, key=lambda item: (-votes[item], item))[:size])


def vote_set(answers, weights, _size, mark):
    """The items that at least two fifths of the near rows hold, by weight."""
    votes = {}
    for answer, weight in zip(answers, weights, strict=True):
        for item in set(split_items(answer)):
            votes[item] = votes.get(item, 0.0) + weight
    return mark.join(sorted(item for item, vote in votes.items() if vote >= 0.4 * sum(weights)))


def vote_masks(train, rows, answers, near, weights):
    """The pixels that at least half of the near rows mark, by weight, in each row's own size."""
    column = TASK["media_columns"][0]
    sizes = [image_size(ARGUMENTS.train / "files" / name) for name in train[column]]
    made = []
    for at, own, name in zip(near, weights, rows[column], strict=True):
        height, width = image_size(ARGUMENTS.predict / "files" / name)
        total = np.zeros((height, width))
        for row, weight in zip(at, own, strict=True):
            total += weight * resize_mask(decode_mask(answers[row], *sizes[row]), height, width)
        made.append(encode_mask(total >= 0.5 * own.sum()))
    return made


def find_near(train, rows, count):
    """Distances and places of the nearest training rows of each row, nearest first."""
    if len(train) > MOST_ROWS_IN_SPACE and columns_of("text"):
        return find_near_by_words(train, rows, count)
    space, wanted = make_space(train, rows)
    return NearestNeighbors(n_neighbors=count).fit(space).kneighbors(wanted)


def weigh_words(known, asked):
    """TF-IDF of the words of two lists of texts: without the rarest and the most common words, unless none is left."""
    for least, most in ((2, 0.2), (1, 1.0)):
        maker = TfidfVectorizer(sublinear_tf=True, min_df=least, max_df=most, max_features=50_000, dtype=np.float32)
        try:
            return maker.fit_transform(known), maker.transform(asked)
        except ValueError:
            continue  # no word at all, or none between the limits
    return sparse.csr_matrix((len(known), 1)), sparse.csr_matrix((len(asked), 1))


def find_near_by_words(train, rows, count):
    """For many rows: by their rarer common words alone, which needs no dense space."""
    known, asked = ([" ".join(t) for t in zip(*[text_of(f, c) for c in columns_of("text")], strict=True)] for f in (train, rows))
    space, wanted = weigh_words(known, asked)
    turned = space.T.tocsr()
    distances, near = np.empty((len(rows), count)), np.empty((len(rows), count), dtype=np.int64)
    for start in range(0, len(rows), 500):
        alike = (wanted[start : start + 500] @ turned).toarray()
        places = np.argpartition(-alike, count - 1, axis=1)[:, :count]
        values = np.take_along_axis(alike, places, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        near[start : start + 500] = np.take_along_axis(places, order, axis=1)
        distances[start : start + 500] = 1 - np.take_along_axis(values, order, axis=1)
    return distances, near


def answer(train, rows, target):
    """One text a row."""
    answers = text_of(train, target["name"]).to_numpy()
    count = min(1 if target["type"] in ("text", "boxes") else NEIGHBOURS, len(train))
    distances, near = find_near(train, rows, count)
    weights = 1 / (distances + 0.5 * max(np.median(distances), 1e-9))
    if target["type"] in ("text", "boxes"):
        return [answers[row[0]] for row in near]
    if target["type"] == "mask":
        return vote_masks(train, rows, answers, near, weights)
    vote = vote_list if target["type"] == "list" else vote_set
    mark = "|" if any("|" in text for text in answers[:1000]) else " "
    return [vote(answers[row], weight, TASK["k"] or 10, mark) for row, weight in zip(near, weights, strict=True)]


write_answers(answer)
