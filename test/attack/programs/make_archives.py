"""make_archives.py FOLDER: writes one hostile zip a name, prints the names."""

import stat
import struct
import sys
import zipfile
import zlib
from pathlib import Path

HOME = Path(sys.argv[1])
NAMES = []


def archive(name, *entries):
    with zipfile.ZipFile(HOME / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as made:
        for entry, data in entries:
            made.writestr(entry, data)
    NAMES.append(name)


def special(name, mode):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (mode | 0o777) << 16
    return info


def raw(name, file_name, data=b"x"):
    """A stored entry whose name is given as bytes."""
    crc, size = zlib.crc32(data), len(data)
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0x800, 0, 0, 33, crc, size, size, len(file_name), 0) + file_name + data
    head = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0x800, 0, 0, 33, crc, size, size, len(file_name), 0, 0, 0, 0, 0, 0) + file_name
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(head), len(local), 0)
    (HOME / f"{name}.zip").write_bytes(local + head + end)
    NAMES.append(name)


archive("bomb", ("train.csv", bytes(150 << 20)))
archive("bomb-of-many", *((f"{n}.csv", bytes(8 << 20)) for n in range(40)))
archive("many-entries", *((f"{n}", b"") for n in range(3_000)))
archive("way-up", ("../out.txt", b"x"))
archive("way-up-inside", ("a/../../out.txt", b"x"))
archive("absolute", ("/tmp/kaggle-agent-attack-out.txt", b"x"))
archive("drive", ("C:/out.txt", b"x"))
archive("link", (special("link", stat.S_IFLNK), "/etc"))
archive("link-then-file", (special("link", stat.S_IFLNK), ".."), ("link/out.txt", b"x"))
archive("device", (special("device", stat.S_IFCHR), b""))
archive("pipe", (special("pipe", stat.S_IFIFO), b""))
archive("case-collision", ("Train.csv", b"1"), ("train.csv", b"2"))
archive("file-and-folder", ("a", b"1"), ("a/b", b"2"))
raw("twice-nul", b"a\0b.csv")
raw("backslash", b"..\\out.txt")
raw("not-utf-8", b"\xff\xfe.csv")
raw("control-character", b"a\x1b[31m.csv")
raw("long-name", b"a" * 5_000)
inner = HOME / "inner-bomb.zip"
with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as made:
    made.writestr("x.csv", bytes(150 << 20))
archive("bomb-in-a-zip", ("x.zip", inner.read_bytes()))
inner.unlink()
# Many names for the same compressed bytes.
block = zlib.compressobj(9, zlib.DEFLATED, -15)
data = block.compress(bytes(20 << 20)) + block.flush()
crc = zlib.crc32(bytes(20 << 20))
local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 33, crc, len(data), 20 << 20, 1, 0) + b"a" + data
heads = b"".join(struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 8, 0, 33, crc, len(data), 20 << 20, 3, 0, 0, 0, 0, 0, 0) + b"%03d" % n for n in range(500))
(HOME / "overlapping.zip").write_bytes(local + heads + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 500, 500, len(heads), len(local), 0))
NAMES.append("overlapping")
(HOME / "no-zip.zip").write_bytes(b"PK\3\4" + bytes(100))
NAMES.append("no-zip")
print("\n".join(NAMES))
