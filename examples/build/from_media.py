"""Competitions with pictures or sound: clothes, emoji, languages."""

import gzip
import io
import tarfile
import wave
import zipfile
from pathlib import Path

import numpy as np
from built_competition import About, Tables, write_built
from PIL import Image
from sources import fetch_openmoji, read_openmoji, read_openmoji_drawing, unpack_debian
from split import SEED, split_stratified

CLOTHES = About(
    slug="clothes-28x28",
    number=900021,
    title="Clothes in 28 x 28",
    task="say which of ten kinds of clothes a small grey picture shows",
    metric="Categorization Accuracy",
    scored_by="accuracy",
    evaluation="Submissions are evaluated on **accuracy**. Higher is better.",
    id="id",
    target="label",
    columns="- `file` - the picture, in images.zip\n- `label` - 0 to 9: the target",
    source="Fashion-MNIST (MIT), Debian's dataset-fashion-mnist",
)
NAMES_OF_PICTURES = "{number:05d}.png"


def build_clothes(packages: Path, into: Path) -> None:
    folder = unpack_debian(packages, "dataset-fashion-mnist") / "usr/share/datasets/fashion-mnist"
    pixels = np.frombuffer(gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16).reshape(-1, 28, 28)
    labels = np.frombuffer(gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    chosen = np.random.RandomState(SEED).permutation(len(labels))[:8000]
    pictures = {NAMES_OF_PICTURES.format(number=n): encode_png(Image.fromarray(pixels[i])) for n, i in enumerate(chosen, 1)}
    rows = [((name,), int(labels[i])) for name, i in zip(pictures, chosen, strict=True)]
    data = write_built(into, CLOTHES, Tables(["file"], rows[:6000], rows[6000:], 0))
    write_zip(data / "images.zip", pictures)


def encode_png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content)


EMOJI = About(
    slug="emoji-sorter",
    number=900022,
    title="Emoji sorter (pictures and text)",
    task="sort emoji into their groups by their picture and their name",
    metric="F-Score (Macro)",
    scored_by="f1-macro",
    evaluation="Submissions are evaluated on the **macro-averaged F1 score** of the groups. Higher is better.",
    id="id",
    target="group",
    columns="- `file` - a picture of 64 x 64 in images.zip\n- `annotation` - the name\n- `group` - the target",
    source="OpenMoji 17.0.0 (CC BY-SA 4.0)",
)


def build_emoji(packages: Path, into: Path) -> None:
    import resvg_py

    kept = [x for x in read_openmoji(packages) if not x["skintone"] and x["group"] not in ("flags", "component", "extras-unicode")]
    labels = [x["group"] for x in kept]
    train, test = split_stratified(labels, round(len(kept) * 0.35))
    pictures: dict[str, bytes] = {}
    rows = []
    with tarfile.open(fetch_openmoji(packages)) as package:
        for number, index in enumerate([*train, *test], 1):
            drawing = read_openmoji_drawing(package, kept[index]["hexcode"]).decode()
            name = NAMES_OF_PICTURES.format(number=number)
            pictures[name] = bytes(resvg_py.svg_to_bytes(svg_string=drawing, width=64, height=64))
            rows.append(((name, kept[index]["annotation"]), labels[index]))
    most_common = max(sorted(set(labels)), key=labels.count)
    data = write_built(into, EMOJI, Tables(["file", "annotation"], rows[: len(train)], rows[len(train) :], most_common))
    write_zip(data / "images.zip", pictures)


LANGUAGES = About(
    slug="which-language",
    number=900023,
    title="Which language?",
    task="tell from one noisy second of speech which of five languages is spoken",
    metric="Categorization Accuracy",
    scored_by="accuracy",
    evaluation="Submissions are evaluated on **accuracy**. Higher is better.",
    id="id",
    target="language",
    columns="- `file` - a second of sound at 8 kHz in sounds.zip\n- `language` - the target",
    source="Asterisk's telephone prompts 1.6.1 (CC BY-SA 3.0), Debian's asterisk-core-sounds packages",
)
RATE_HZ = 8000


def build_languages(packages: Path, into: Path) -> None:
    random = np.random.RandomState(SEED)
    clips: list[tuple[bytes, str]] = []
    for language in ("en", "es", "fr", "it", "ru"):
        sounds = unpack_debian(packages, f"asterisk-core-sounds-{language}-wav") / "usr/share/asterisk/sounds"
        for path in sorted(sounds.rglob("*.wav")):
            samples = read_wav(path)
            if "silence" not in path.parts and len(samples) >= 0.4 * RATE_HZ:
                clips.append((encode_wav(cut_noisy_second(samples, random)), language))
    labels = [language for _, language in clips]
    train, test = split_stratified(labels, round(len(clips) * 0.3))
    order = [*train, *test]
    sounds = {f"{number:05d}.wav": clips[i][0] for number, i in enumerate(order, 1)}
    rows = [((name,), labels[i]) for name, i in zip(sounds, order, strict=True)]
    data = write_built(into, LANGUAGES, Tables(["file"], rows[: len(train)], rows[len(train) :], "en"))
    write_zip(data / "sounds.zip", sounds)


def read_wav(path: Path):
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64)


def cut_noisy_second(samples, random):
    """One second from anywhere in the clip (silence after a short one), with white noise of 0.7 of its own loudness."""
    start = random.randint(0, max(1, len(samples) - RATE_HZ + 1))
    second = np.zeros(RATE_HZ)
    piece = samples[start : start + RATE_HZ]
    second[: len(piece)] = piece
    return second + random.normal(0, 0.7 * np.sqrt(np.mean(second**2)), RATE_HZ)


def encode_wav(samples) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.clip(np.round(samples), -32768, 32767).astype("<i2").tobytes())
    return buffer.getvalue()
