"""Reads the bytes of a file that someone else wrote: no links followed, no devices, bounded when unpacked."""

import io
import os
import stat
import zipfile
import zlib
from pathlib import Path

from . import limits
from .errors import BadInput, shown


def read_bytes(path: Path, limit: int = limits.FILE_BYTES) -> tuple[bytes, str]:
    """The unpacked bytes and the compression (`none`, `gzip`, `zip`). Raises BadInput for anything that is not a readable file."""
    data = _read_regular(path, limit)
    if data[:2] == b"\x1f\x8b":
        return _gunzip(data, path.name, limit), "gzip"
    if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _unzip(data, path.name, limit), "zip"
    if data[:6] == b"7z\xbc\xaf\x27\x1c":
        raise BadInput(f"{shown(path.name)} is a 7z archive, which is not opened; unpack it to CSV first.")
    return data, "none"


def _read_regular(path: Path, limit: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise BadInput(f"{shown(path.name)} cannot be opened ({error.strerror}).") from error
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode):
        # Before a stream is made of it: of a folder none can be.
        os.close(descriptor)
        raise BadInput(f"{shown(path.name)} is not a regular file.")
    with os.fdopen(descriptor, "rb") as stream:
        if info.st_size > limit:
            raise BadInput(f"{shown(path.name)} has {info.st_size} bytes; the limit is {limit}.")
        return stream.read(limit + 1)


def _gunzip(data: bytes, name: str, limit: int) -> bytes:
    parts: list[bytes] = []
    total, rest = 0, data
    try:
        while rest[:2] == b"\x1f\x8b":
            unpacker = zlib.decompressobj(wbits=31)
            part = unpacker.decompress(rest, limit - total + 1)
            total += len(part)
            if total > limit:
                raise BadInput(f"{shown(name)} unpacks to more than {limit} bytes.")
            if not unpacker.eof:
                raise BadInput(f"{shown(name)} is a truncated gzip file; download it again.")
            parts.append(part)
            rest = unpacker.unused_data
    except zlib.error as error:
        raise BadInput(f"{shown(name)} is a broken gzip file; download it again.") from error
    return b"".join(parts)


def _unzip(data: bytes, name: str, limit: int) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX")]
            if len(members) != 1:
                raise BadInput(f"{shown(name)} holds {len(members)} files; a table must be a zip of a single file. Unpack it first.")
            with archive.open(members[0]) as member:
                unpacked = member.read(limit + 1)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError) as error:
        raise BadInput(f"{shown(name)} is a broken or encrypted zip file; download it again.") from error
    if len(unpacked) > limit:
        raise BadInput(f"{shown(name)} unpacks to more than {limit} bytes.")
    return unpacked
