"""What a program says of its own score: kept beside the measured one, believed by nothing."""

import json
import math
from pathlib import Path

from .checks import Check, check
from .errors import BadInput
from .file_bytes import read_bytes
from .solutions import Solution

NOTES_BYTES = 4_096
_FACTOR = 3.0


def read_claim(out_dir: Path) -> float | None:
    """`score` of notes.json; None where there is none, or something else. The file is hostile: bounded, and parsed as JSON only."""
    try:
        notes = json.loads(read_bytes(out_dir / "notes.json", NOTES_BYTES)[0])
        claim = notes["score"] if isinstance(notes, dict) and not isinstance(notes.get("score"), bool) else None
        return float(claim) if isinstance(claim, int | float) and math.isfinite(claim) and abs(claim) < 1e300 else None
    except (BadInput, ValueError, KeyError, RecursionError, OverflowError):
        return None


def check_claims(solution: Solution, score: float, standard_error: float) -> Check | None:
    """A note where the mean of the folds' claims is far from what was measured; None where nothing was claimed."""
    if not solution.claims:
        return None
    claimed = sum(solution.claims) / len(solution.claims)
    near = abs(claimed - score) <= _FACTOR * standard_error + 0.01 * abs(score)
    return check("claimed like measured", near, "note", f"the program claimed {claimed:.6g}; measured: {score:.6g}")
