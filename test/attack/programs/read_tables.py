"""read_tables.py HARNESS FOLDER: hostile answers and tables against the harness's readers. Prints a JSON list of what became of each."""

import json
import os
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import numpy as np
from kaggle_harness.errors import BadInput, BadOutput
from kaggle_harness.layout import make_layout
from kaggle_harness.scores_file import read_output
from kaggle_harness.tables import read_table

HOME = Path(sys.argv[2])
KEYS = np.arange(3, dtype=np.int64)
LAYOUT = make_layout([{"name": "y", "type": "number", "classes": None}])
RESULTS = []
# A reader that takes more than this has no bound; the machine is spared.
resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))


def check(name, refusals, read):
    start = time.perf_counter()
    try:
        result, through = f"OPEN: {read()!r:.100}", True
    except refusals as error:
        result, through = str(error)[:110], False
    except Exception as error:
        result, through = f"OPEN: {type(error).__name__}: {error!s:.100}", True
    RESULTS.append({"name": name, "through": through, "result": result, "ms": (time.perf_counter() - start) * 1000})


def answer(name, make):
    place = HOME / f"answer-{len(RESULTS)}"
    place.mkdir()
    make(place / "scores.csv")
    check(f"answer that is {name}", BadOutput, lambda: read_output(place, LAYOUT, KEYS, "rmse"))


def table(name, data):
    path = HOME / f"table-{len(RESULTS)}.csv"
    path.write_bytes(data)
    check(f"competition's table with {name}", BadInput, lambda: read_table(path, byte_limit=64 << 20))
    path.unlink()


def text(words):
    return lambda path: path.write_text(words)


GOOD = "key,y\n0,1\n1,2\n2,3\n"
secret = HOME / "labels.csv"
secret.write_text(GOOD)
answer("a link to the labels", lambda path: path.symlink_to(secret))
answer("a link to a device", lambda path: path.symlink_to("/dev/zero"))
answer("a pipe", lambda path: os.mkfifo(path))
answer("a folder", lambda path: path.mkdir())
answer("50 GB of holes", lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 50 << 30))
answer("empty", text(""))
answer("a zip", lambda path: path.write_bytes(b"PK\3\4" + bytes(50)))
answer("a pickle", lambda path: path.write_bytes(b"\x80\x04cos\nsystem\n(S'touch /tmp/x'\ntR."))
answer("binary", lambda path: path.write_bytes(bytes(range(256))))
for what, words in {
    "of wrong keys": GOOD.replace("2,3", "7,3"),
    "short of a row": GOOD.replace("2,3\n", ""),
    "twice for a key": GOOD + "2,3\n",
    "not a number": GOOD.replace("1,2", "1,nan"),
    "infinite": GOOD.replace("1,2", "1,inf"),
    "a formula": GOOD.replace("1,2", "1,=cmd|'/c calc'!A0"),
    "huge numbers": GOOD.replace("1,2", "1,1e308"),
    "of more columns": GOOD.replace("y", "y,z").replace(",1", ",1,1"),
    "a page with a script": "<script>alert(1)</script>",
    "one endless line": "key,y\n0," + "1" * 3_000_000,
}.items():
    answer(what, text(words))
table("a million columns", ",".join(f"c{n}" for n in range(1_000_000)).encode() + b"\n1\n")
table("a line of 60 MB", b"a,b\n1," + b"x" * (60 << 20))
table("a cell without end", b'a,b\n1,"' + b"x\n" * (10 << 20))
table("NUL bytes", b"a,b\n1,\0\0\n")
table("too many bytes", b"a,b\n" + b"1,2\n" * (17 << 20))
table("nothing", b"")
table("a column twice", b"a,a\n1,2\n")
table("rows of unequal length", b"a,b\n1,2,3,4\n1\n")
print(json.dumps(RESULTS))
