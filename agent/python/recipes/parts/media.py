"""Part: images and sounds that rows name, as a few numbers each: a small picture, its colours, its shape; how a spectrum is and moves."""

SIDE = 16
DIRECTIONS = 40
HISTOGRAM = 8
BANDS = 26
CEPSTRA = 13
FRAME_S, STEP_S, MOST_S = 0.025, 0.01, 60


def add_media(train, rows):
    """Both frames with numbers for each column that names images or sounds; these are features from then on."""
    for column in TASK["media_columns"]:
        read = sound_numbers if train[column].astype(str).str.lower().str.endswith(".wav").mean() > 0.5 else image_numbers
        tables = [np.array([read(folder / "files" / str(name)) for name in frame[column]]) for folder, frame in places(train, rows)]
        if np.isnan(tables[0]).all():
            continue
        tables = [np.nan_to_num(t) for t in tables]
        if read is image_numbers:
            tables = turn_pixels(tables)
        names = [f"{column} {i}" for i in range(tables[0].shape[1])]
        train, rows = (
            pd.concat([frame, pd.DataFrame(table, columns=names, index=frame.index)], axis=1)
            for frame, table in zip((train, rows), tables, strict=True)
        )
        for name in names:
            TASK["feature_columns"].append(name)
            TASK["column_types"][name] = "numeric"
    return train, rows


def turn_pixels(tables):
    """Small pictures by the directions that hold most of what differs between the training rows; the other numbers as they are."""
    pixels = [t[:, : 3 * SIDE * SIDE] for t in tables]
    directions, middle = main_directions(pixels[0]), pixels[0].mean(axis=0)
    return [np.hstack([(own - middle) @ directions, t[:, 3 * SIDE * SIDE :]]) for own, t in zip(pixels, tables, strict=True)]


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


def sound_numbers(path):
    """How the spectrum of a WAV file is on average, and how much it varies and moves (mel-frequency cepstra; Davis and Mermelstein 1980), how
    loud and how long it is; all missing for what cannot be read."""
    from scipy.fft import dct

    samples, rate = read_wav(path)
    if samples is None or len(samples) < 2:
        return np.full(3 * CEPSTRA + 2 * BANDS + 4, np.nan)
    width, step = max(2, round(rate * FRAME_S)), max(1, round(rate * STEP_S))
    padded = np.pad(samples, (0, max(0, width - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[::step]
    power = np.abs(np.fft.rfft(frames * np.hanning(width), axis=1)) ** 2
    bands = np.log(power @ mel_bands(power.shape[1], rate).T + 1e-10)
    cepstra = dct(bands, axis=1, norm="ortho")[:, :CEPSTRA]
    moves = np.abs(np.diff(cepstra, axis=0)).mean(axis=0) if len(cepstra) > 1 else np.zeros(CEPSTRA)
    crossings = float(np.mean(samples[:-1] * samples[1:] < 0))
    facts = [np.log(np.mean(samples**2) + 1e-10), np.log(np.max(np.abs(samples)) + 1e-10), crossings, len(samples) / rate]
    return np.concatenate([cepstra.mean(axis=0), cepstra.std(axis=0), moves, bands.mean(axis=0), bands.std(axis=0), facts])


def read_wav(path):
    """Samples from −1 to 1 of at most a minute, all channels averaged, and their rate; None for what is no plain WAV file."""
    import wave

    try:
        with wave.open(str(path)) as file:
            channels, size, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            raw = np.frombuffer(file.readframes(min(file.getnframes(), MOST_S * rate)), np.uint8)
    except (OSError, EOFError, wave.Error):
        return None, 0
    raw = raw[: len(raw) // (size * channels) * size * channels].reshape(-1, size)
    if size == 1:
        values = raw[:, 0].astype(np.float64) / 128 - 1
    else:
        unsigned = (raw[:, :-1].astype(np.int64) << (8 * np.arange(size - 1))).sum(axis=1)
        values = (unsigned + (raw[:, -1].astype(np.int8).astype(np.int64) << (8 * (size - 1)))) / 2.0 ** (8 * size - 1)
    return values.reshape(-1, channels).mean(axis=1), rate


def mel_bands(bins, rate):
    """(BANDS, bins) triangles, evenly spaced by how people hear pitch (mel scale)."""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    hertz = np.linspace(0, rate / 2, bins)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return np.clip(np.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle)), 0, None)
