"""For masks of images: which pixels are marked, by what they and their surroundings look like; of several masks, each patch by itself."""

import lightgbm as lgb
from PIL import Image
from scipy import ndimage

MOST_SIDE = PARAMS.get("most_side", 256)
MOST_IMAGES = PARAMS.get("most_images", 400)
PIXELS_AN_IMAGE = PARAMS.get("pixels_an_image", 600)
ROUNDS = PARAMS.get("rounds", 150)
MASK_MARK = ";"
LEVELS = (0.3, 0.4, 0.5, 0.6, 0.7)


def read_image(folder, name):
    """(height, width, 3) from 0 to 1, made smaller where a side is long, and the height and width that it had."""
    with Image.open(folder / "files" / name) as image:
        size = image.height, image.width
        share = min(1.0, MOST_SIDE / max(size))
        small = image.convert("RGB").resize((max(1, round(size[1] * share)), max(1, round(size[0] * share))), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float32) / 255, size


def describe_pixels(image):
    """(pixels, features): colours, brightness within the image, blurs, edges and spots around, place."""
    grey = image.mean(axis=2)
    scaled = (grey - grey.mean()) / max(float(grey.std()), 1e-3)
    layers = [image[:, :, i] for i in range(3)] + [grey, scaled]
    for sigma in (1, 2, 4, 8):
        layers.append(ndimage.gaussian_filter(scaled, sigma))
    layers += [ndimage.gaussian_gradient_magnitude(scaled, 1), ndimage.gaussian_gradient_magnitude(scaled, 3)]
    layers += [ndimage.gaussian_laplace(scaled, 2), ndimage.maximum_filter(scaled, 5), ndimage.minimum_filter(scaled, 5)]
    rows, columns = np.mgrid[0 : grey.shape[0], 0 : grey.shape[1]]
    layers += [rows / grey.shape[0], columns / grey.shape[1]]
    return np.stack([layer.ravel() for layer in layers], axis=1).astype(np.float32)


def mark_all(text, size):
    """(height, width): the pixels of every mask of an answer."""
    marked = np.zeros(size, dtype=bool)
    for mask in text.split(MASK_MARK):
        marked |= decode_mask(mask, *size)
    return marked


def draw_pixels(names, answers, rng):
    """Features and marks of a few pixels of each image."""
    features, marks = [], []
    for name, text in zip(names, answers, strict=True):
        image, size = read_image(ARGUMENTS.train, name)
        chosen = rng.integers(0, image.shape[0] * image.shape[1], PIXELS_AN_IMAGE)
        features.append(describe_pixels(image)[chosen])
        marks.append(resize_mask(mark_all(text, size), *image.shape[:2]).ravel()[chosen])
    return np.vstack(features), np.concatenate(marks)


def learn(names, answers, rng):
    """A function from an image to how likely each of its pixels is marked."""
    features, marks = draw_pixels(names, answers, rng)
    if marks.all() or not marks.any():
        return lambda image: np.full(image.shape[:2], float(marks[0]))
    model = lgb.LGBMClassifier(
        n_estimators=ROUNDS,
        learning_rate=0.1,
        num_leaves=31,
        min_child_samples=40,
        random_state=ARGUMENTS.seed,
        n_jobs=ARGUMENTS.threads,
        verbose=-1,
    ).fit(features, marks)
    return lambda image: model.predict_proba(describe_pixels(image))[:, 1].reshape(image.shape[:2])


def find_patches(likely, level, least):
    """(height, width): 0, or the number of the patch that a pixel lies in; patches of fewer pixels than `least` are none."""
    patches, _ = ndimage.label(likely >= level)
    counts = np.bincount(patches.ravel())
    counts[0] = 0
    numbers = np.zeros(len(counts), dtype=np.int64)
    kept = np.flatnonzero(counts >= max(1, least))
    numbers[kept] = np.arange(len(kept)) + 1
    return numbers[patches]


def enlarge(likely, size):
    """The same in the image's own size."""
    share = (size[0] / likely.shape[0], size[1] / likely.shape[1])
    return ndimage.zoom(likely.astype(np.float32), share, order=1, grid_mode=True, mode="nearest")[: size[0], : size[1]]


def judge_patches(patches, masks, is_several):
    """How well patches meet an answer: pixels in common twice over both (Dice), or the share of objects met by more than half and by three quarters."""
    if not is_several:
        given = patches > 0
        total = masks[0].sum() + given.sum()
        return 2 * (masks[0] & given).sum() / total if total else 1.0
    count, areas = int(patches.max()), np.bincount(patches.ravel())
    best = []
    for own in masks:
        common = np.bincount(patches[own], minlength=count + 1)[1:]
        best.append(float((common / np.maximum(own.sum() + areas[1:] - common, 1)).max(initial=0.0)))
    found = [sum(overlap > least for overlap in best) for least in (0.5, 0.75)]
    return float(np.mean([hits / max(1, len(best) + count - hits) if len(best) + count else 1.0 for hits in found]))


def choose_cut(predict, names, answers, is_several):
    """The level, and the least size of a patch in pixels of the image's own size, that suit held-out images; tried on small ones."""
    read, areas = [], []
    for name, text in zip(names, answers, strict=True):
        image, size = read_image(ARGUMENTS.train, name)
        parts = [decode_mask(part, *size) for part in text.split(MASK_MARK) if part.strip()] if is_several else [mark_all(text, size)]
        areas += [int(part.sum()) for part in parts if part.any()]
        share = image.shape[0] * image.shape[1] / (size[0] * size[1])
        read.append((predict(image), [resize_mask(part, *image.shape[:2]) for part in parts], share))
    sizes = [0, *np.quantile(areas, (0.02, 0.1)).astype(int).tolist()] if areas else [0]
    scores = {}
    for level in LEVELS:
        for least in dict.fromkeys(sizes):
            judged = [judge_patches(find_patches(likely, level, least * share), masks, is_several) for likely, masks, share in read]
            scores[level, least] = np.mean(judged)
    best = max(scores, key=lambda cut: (scores[cut], -abs(cut[0] - 0.5), -cut[1]))
    NOTES["level"], NOTES["least"] = best
    return best


def write_patches(patches, is_several):
    """The answer: one mask of all patches, or one a patch."""
    if not is_several:
        return encode_mask(patches > 0)
    masks = []
    for number, place in enumerate(ndimage.find_objects(patches), start=1):
        rows, columns = np.nonzero(patches[place] == number)
        pixels = (columns + place[1].start) * patches.shape[0] + rows + place[0].start
        masks.append(encode_pixels(np.sort(pixels)))
    return MASK_MARK.join(masks)


def main():
    """Learns from pixels of training images, chooses the cut on held-out ones, answers each row."""
    train, rows = read_rows(ARGUMENTS.train, "train"), read_rows(ARGUMENTS.predict, "rows")
    target, column = TASK["targets"][0], TASK["media_columns"][0]
    is_several = target["type"] == "masks"
    rng = np.random.default_rng(ARGUMENTS.seed)
    known = train[train[column].notna()]
    known = known.iloc[rng.permutation(len(known))[:MOST_IMAGES]]
    names, answers = known[column].tolist(), known[target["name"]].fillna("").astype(str).tolist()
    held = min(60, max(1, len(names) // 6))
    cut = choose_cut(learn(names[held:], answers[held:], rng), names[:held], answers[:held], is_several)
    predict = learn(names, answers, rng)
    written = []
    for name in rows[column].tolist():
        if not isinstance(name, str):
            written.append("")
            continue
        image, size = read_image(ARGUMENTS.predict, name)
        written.append(write_patches(find_patches(enlarge(predict(image), size), *cut), is_several))
    ARGUMENTS.out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({KEY: rows[KEY].to_numpy(), target["name"]: written}).to_csv(ARGUMENTS.out / "scores.csv", index=False)
    NOTES["seconds"] = round(time.monotonic() - STARTED, 2)
    (ARGUMENTS.out / "notes.json").write_text(json.dumps(NOTES, default=float)[:4000], encoding="utf-8")


main()
