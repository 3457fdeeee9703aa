"""Part: the command line of the solution contract, and the task."""

import argparse
import json
import os
import time
from pathlib import Path

STARTED = time.monotonic()


def read_arguments():
    """The contract's command line."""
    parser = argparse.ArgumentParser()
    for name in ("train", "predict", "out", "params"):
        parser.add_argument(f"--{name}", type=Path, required=name != "params")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--deadline", type=float, default=3600.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--assets", type=Path)
    return parser.parse_args()


ARGUMENTS = read_arguments()
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = str(ARGUMENTS.threads)

TASK = json.loads((ARGUMENTS.train / "task.json").read_text(encoding="utf-8"))
PARAMS = json.loads(ARGUMENTS.params.read_text(encoding="utf-8")) if ARGUMENTS.params else {}
NOTES = {}


def seconds_left():
    """Seconds until the deadline that the harness gave."""
    return ARGUMENTS.deadline - (time.monotonic() - STARTED)
