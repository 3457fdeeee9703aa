"""What the two kinds without labels have in common: solutions with a score each, no folds to blend, nothing to probe."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..checks import Check, check, decide_verdict
from ..errors import Refused
from ..submission import write_atomically

_VERSION = 1
PROBED = ("holds with other ids and another seed", "learns what it is given")
"""What probes say of a program that is judged by labels; the orchestrator looks for them by name."""


@dataclass
class Unlabelled:
    """A solution. `answer`: the order it gives, or the text of the program that plays."""

    number: int
    answer: Any
    fold_scores: list[float] = field(default_factory=list)
    evaluation: dict[str, Any] | None = None


class BaseSession:
    """Methods of the protocol that mean the same for both kinds. `_digest` binds saved solutions to the task."""

    def __init__(self) -> None:
        self._solutions: dict[int, Unlabelled] = {}
        self._work_dir: Path | None = None
        self._digest = ""

    def _open(self, work_dir: str, *facts: str) -> None:
        self._solutions = {}
        self._work_dir = Path(work_dir)
        self._digest = hashlib.sha256("\x1f".join(facts).encode()).hexdigest()

    def _need_dir(self) -> Path:
        if self._work_dir is None:
            raise Refused("fix_task must come first")
        return self._work_dir

    def _need(self, number: int) -> Unlabelled:
        if number not in self._solutions:
            raise Refused(f"solution {number} is unknown")
        return self._solutions[number]

    def finish_solution(self, solution: int) -> dict[str, Any]:
        """The evaluation of a solution that was graded."""
        evaluation = self._need(solution).evaluation
        if evaluation is None:
            raise Refused(f"solution {solution} is not finished")
        return evaluation

    def check_program(self, path: str) -> dict[str, Any]:
        """There are no labels that a program could carry."""
        return {"reason": None}

    def cut_probes(self, generated: bool) -> dict[str, Any]:
        """None: what the program gives is judged itself."""
        return {"probes": []}

    def judge_probes(self, solution: int, generated: bool, outcomes: list[dict[str, Any]]) -> dict[str, Any]:
        """The evaluation, which says that nothing had to be probed."""
        kept = self._need(solution)
        evaluation = self.finish_solution(solution)
        said = [check(name, True, "note", "there are no labels: what the program gives is judged itself") for name in PROBED]
        known = {c["name"] for c in evaluation["checks"]}
        kept.evaluation = {**evaluation, "checks": [*evaluation["checks"], *(c for c in said if c["name"] not in known)]}
        return kept.evaluation

    def correlate(self, solution: int, others: list[int]) -> dict[str, Any]:
        """Cannot be told of such answers."""
        self._need(solution)
        return {"correlations": [{"solution": other, "value": None} for other in others]}

    def expect_score(self, solution: int, candidates: list[int]) -> dict[str, Any]:
        """None: the score of an answer is what it is, and the rank of an agent depends on the others."""
        self._need(solution)
        return {"expected": None}

    def save_state(self, path: str, solutions: list[int]) -> dict[str, Any]:
        """Writes finished solutions for a later attempt."""
        kept = [self._need(number) for number in solutions]
        if any(each.evaluation is None for each in kept):
            raise Refused("only finished solutions can be saved")
        listed = [{"number": s.number, "answer": s.answer, "fold_scores": s.fold_scores, "evaluation": s.evaluation} for s in kept]
        data = json.dumps({"version": _VERSION, "digest": self._digest, "solutions": listed}).encode()
        return {"sha256": write_atomically(Path(path), data, 0o600), "bytes": len(data)}

    def load_state(self, path: str) -> dict[str, Any]:
        """Takes over solutions of an earlier attempt. Raises Refused when they are of another task, or damaged."""
        self._need_dir()
        try:
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as stream:
                saved = json.load(stream)
            if (saved["version"], saved["digest"]) != (_VERSION, self._digest):
                raise Refused("the saved state belongs to another task; start without it")
            loaded = [
                Unlabelled(int(s["number"]), s["answer"], [float(v) for v in s["fold_scores"]], s["evaluation"]) for s in saved["solutions"]
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Refused(f"the saved state cannot be read ({type(error).__name__}); start without it") from error
        for each in loaded:
            self._solutions[each.number] = each
        return {"evaluations": [each.evaluation for each in loaded]}


def make_evaluation(
    number: int, scores: list[float], interval: tuple[float, float, float], checks: list[Check], seconds: float
) -> dict[str, Any]:
    """Evaluation of the protocol: the mean of the scores. `interval`: low, high and standard error."""
    low, high, error = interval
    return {
        "solution": number,
        "score": sum(scores) / len(scores),
        "low": low,
        "high": high,
        "standard_error": error,
        "fold_scores": scores,
        "aggregate": "mean-of-folds",
        "decoder": {},
        "checks": checks,
        "trust": decide_verdict(checks),
        "raw": False,
        "seconds": round(seconds, 4),
    }


def describe_profile(kind: str, facts: dict[str, Any]) -> dict[str, Any]:
    """TaskProfile of the protocol, with what a task without labels does not have."""
    return {
        "schema_version": 1,
        "kind": kind,
        "shape": kind,
        "shape_confidence": "likely",
        "id_columns": [],
        "group_column": None,
        "time_column": None,
        "feature_columns": [],
        "column_types": {},
        **facts,
    }
