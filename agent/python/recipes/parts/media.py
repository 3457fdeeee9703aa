"""Part: images that rows name, as a few numbers each: a small picture, its colours, its shape."""

SIDE = 16
DIRECTIONS = 40
HISTOGRAM = 8


def add_media(train, rows):
    """Both frames with numbers for each column that names images; these are features from then on."""
    train, rows = train.copy(deep=False), rows.copy(deep=False)
    for column in TASK["media_columns"]:
        tables = [
            np.array([image_numbers(folder / "files" / str(name)) for name in frame[column]]) for folder, frame in places(train, rows)
        ]
        if np.isnan(tables[0]).all():
            continue
        tables = [np.nan_to_num(t) for t in tables]
        pixels = [t[:, : 3 * SIDE * SIDE] for t in tables]
        small = [t[:, 3 * SIDE * SIDE :] for t in tables]
        directions = main_directions(pixels[0])
        for frame, own, rest in zip((train, rows), pixels, small, strict=True):
            made = np.hstack([(own - pixels[0].mean(axis=0)) @ directions, rest])
            names = [f"{column} {i}" for i in range(made.shape[1])]
            for i, name in enumerate(names):
                frame[name] = made[:, i]
        for name in names:
            TASK["feature_columns"].append(name)
            TASK["column_types"][name] = "numeric"
    return train, rows


def places(train, rows):
    """The folders of the files with the frames that name them."""
    return [(ARGUMENTS.train, train), (ARGUMENTS.predict, rows)]


def main_directions(table):
    """(columns, directions) that hold most of what differs between rows."""
    from sklearn.decomposition import PCA

    count = max(1, min(DIRECTIONS, len(table) - 1, table.shape[1]))
    return PCA(count, random_state=ARGUMENTS.seed, svd_solver="randomized").fit(table).components_.T


def image_numbers(path):
    """A small colour picture, shares of levels a colour, height and width; all missing for what is no image."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            width, height = image.size
            small = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.float64) / 255
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return np.full(3 * SIDE * SIDE + 3 * HISTOGRAM + 2, np.nan)
    shares = [np.histogram(small[:, :, c], bins=HISTOGRAM, range=(0, 1))[0] / SIDE**2 for c in range(3)]
    return np.concatenate([small.ravel(), *shares, [height, width]])
