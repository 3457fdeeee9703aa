"""Part: masks of images as run lengths."""


def decode_mask(text, height, width):
    """(height, width) of run lengths down the columns."""
    flat = np.zeros(height * width, dtype=bool)
    words = np.array(text.split(), dtype=np.int64)
    for start, length in zip(words[0::2], words[1::2], strict=True):
        flat[start - 1 : start - 1 + length] = True
    return flat.reshape((width, height)).T


def encode_mask(mask):
    """Run lengths down the columns."""
    flat = np.concatenate([[False], mask.T.ravel(), [False]])
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    return " ".join(f"{a} {b - a}" for a, b in zip(changes[0::2], changes[1::2], strict=True))


def image_size(path):
    """Height and width."""
    from PIL import Image

    with Image.open(path) as image:
        return image.height, image.width


def resize_mask(mask, height, width):
    """The nearest pixel's value in another size."""
    rows = np.minimum((np.arange(height) + 0.5) * mask.shape[0] / height, mask.shape[0] - 1).astype(int)
    columns = np.minimum((np.arange(width) + 0.5) * mask.shape[1] / width, mask.shape[1] - 1).astype(int)
    return mask[np.ix_(rows, columns)]


def encode_pixels(pixels):
    """Run lengths of pixels by their rising count, from 0, down the columns."""
    first = np.flatnonzero(np.diff(pixels, prepend=-2) != 1)
    lengths = np.diff(np.append(first, len(pixels)))
    return " ".join(f"{pixels[a] + 1} {n}" for a, n in zip(first, lengths, strict=True))
