"""The methods of the protocol over one competition: what was read, fixed, cut, graded so far."""

import importlib.metadata
import os
import platform
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import baseline as baseline_part
from . import blend as blend_part
from . import evaluate as evaluate_part
from . import state as state_part
from .checks import check, decide_verdict
from .claims import read_claim
from .errors import BadOutput, Refused
from .expected import expect_score
from .likeness import correlate
from .limits import SHARE_ABOVE_BYTES
from .metric_table import METRICS
from .probe_checks import check_jump, check_probes
from .probes import Kind, ProbeOutcome, plan_probes
from .profile import make_profile
from .program_rules import find_carried_answers
from .refit import compare_refit, wants_refit
from .scores_file import read_output
from .solution_checks import check_members, check_solution
from .solutions import empty_solution
from .stack_methods import StackMethods
from .stacking import as_rebuilt, outer_folds
from .submission import encode_file, submission_columns, write_atomically
from .task import load_task
from .validate import validate_file

_PACKAGES = ("numpy", "pyarrow", "pandas", "scipy", "scikit-learn", "lightgbm", "xgboost", "xgboost-cpu")


class Session(StackMethods):
    """State of one harness process. Methods take and return the protocol's JSON values."""

    def hello(self) -> dict[str, Any]:
        """Versions; packages that are not installed are left out."""
        packages: dict[str, str] = {}
        for name in _PACKAGES:
            try:
                packages[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
        return {"python": platform.python_version(), "packages": packages, "pid": os.getpid()}

    def profile(
        self,
        data_dir: str,
        description: str,
        slug: str,
        metric: dict[str, Any] | None,
        wanted: dict[str, Any] | None = None,
        staging_mib: int | None = None,
    ) -> dict[str, Any]:
        """Reads the folder (kept for fix_task) and describes the task. `wanted`: what the caller says of it; `staging_mib`: for all runs."""
        if metric is not None and metric["id"] not in METRICS:
            raise Refused(f"unknown metric {metric['id']}")
        staging = shutil.disk_usage(data_dir).free // 2 if staging_mib is None else staging_mib << 20
        asks = any((wanted or {}).get(name) is not None for name in ("shape", "group_column", "time_column"))
        return make_profile(
            self._read(data_dir, may_recommend=not asks, again=True), description, None if metric is None else metric["id"], wanted, staging
        )

    def fix_task(
        self,
        data_dir: str,
        work_dir: str,
        profile: dict[str, Any],
        metric: dict[str, Any],
        seed: int,
        share_above_mib: int | None = None,
    ) -> dict[str, Any]:
        """Fixes task and metric; anything graded before is forgotten. `share_above_mib`: runs share larger data; 1 GiB unless told."""
        self._task = load_task(
            self._read(data_dir, may_recommend=profile.get("recommender") is not None), profile, metric, seed, Path(work_dir)
        )
        self._task.share_above_bytes = SHARE_ABOVE_BYTES if share_above_mib is None else share_above_mib << 20
        self._forget()
        return {}

    def baseline(self) -> dict[str, Any]:
        """Constant predictions as solution 0."""
        started = time.monotonic()
        task, folds = self._need_task(), self._need_folds(None)
        solution = baseline_part.make_baseline(task, folds)
        self._solutions[0] = solution
        return {"evaluation": self._finish(solution, started)}

    def cut(self, fold_count: int | None) -> dict[str, Any]:
        """Writes the run folders; again with the same count: the same folders, untouched."""
        started = time.monotonic()
        task = self._need_task()
        folds = self._need_folds(fold_count)
        wanted: list[int | None] = list(range(folds.count))
        refit = wants_refit(task)
        if refit or not task.predicts_test_in_folds:
            wanted.append(None)
        runs = {fold: self._open_fold(fold) for fold in wanted}
        whole = runs[None].reply() if None in runs else None
        return {
            "fold_count": folds.count,
            "runs": [runs[f].reply() for f in range(folds.count)],
            "final_run": None if refit else whole,
            "refit_run": whole if refit else None,
            "seconds": round(time.monotonic() - started, 4),
        }

    def grade_fold(self, solution: int, run_id: str, out_dir: str) -> dict[str, Any]:
        """Scores one fold's output. A refused output is a reply with `failure`, and leaves nothing behind."""
        started = time.monotonic()
        task, run = self._need_task(), self._need_run(run_id)
        kept = self._solutions.get(solution)
        own = f"stack-{solution}" if kept is not None and kept.members else "fold"
        if run.fold is None or solution < 1 or run.run_id != f"{own}-{run.fold}":
            raise Refused(f"run {run_id} of solution {solution} cannot be graded: it is no fold of it, or the number is the baseline's")
        try:
            scores, is_raw = read_output(Path(out_dir), task.layout, run.keys, task.metric_id, task.extras_of(run.rows))
        except BadOutput as error:
            return {"fold": run.fold, "score": None, "rows": 0, "failure": str(error), "seconds": round(time.monotonic() - started, 4)}
        kept = self._solutions.setdefault(solution, empty_solution(task, solution))
        if run.fold in kept.graded or kept.evaluation is not None:
            raise Refused(f"fold {run.fold} of solution {solution} is graded already")
        in_train = run.rows < task.n_train
        rows = run.rows[in_train]
        kept.oof[rows] = scores[in_train]
        if not in_train.all():
            tests = run.rows[~in_train] - task.n_train
            kept.test_sum[tests] += scores[~in_train]
            kept.test_count += 1
            if task.predicts_test_in_folds:
                kept.test_squares = np.zeros_like(kept.test_sum) if kept.test_squares is None else kept.test_squares
                kept.test_squares[tests] += scores[~in_train] ** 2
        kept.is_raw = kept.is_raw and is_raw
        kept.graded.add(run.fold)
        claim = read_claim(Path(out_dir))
        kept.claims += [] if claim is None else [claim]
        score = evaluate_part.fold_score(task, rows, scores[in_train])
        seconds = time.monotonic() - started
        kept.seconds += seconds
        return {"fold": run.fold, "score": score, "rows": len(rows), "failure": None, "seconds": round(seconds, 4)}

    def measure_fold(self, solution: int, run_id: str, out_dir: str) -> dict[str, Any]:
        """Scores one fold's output of a changed program, and the solution's own scores of the same rows. Keeps nothing."""
        task, run, kept = self._need_task(), self._need_run(run_id), self._need_solution(solution)
        if run.fold is None or run.run_id != f"fold-{run.fold}" or kept.evaluation is None:
            raise Refused(f"run {run_id} is no fold of solution {solution}, or the solution is not finished")
        try:
            scores, _ = read_output(Path(out_dir), task.layout, run.keys, task.metric_id, task.extras_of(run.rows))
        except BadOutput as error:
            return {"score": None, "full": None, "failure": str(error)}
        in_train = run.rows < task.n_train
        rows = run.rows[in_train]
        score, full = (evaluate_part.fold_score(task, rows, each) for each in (scores[in_train], kept.oof[rows]))
        return {"score": score, "full": full, "failure": None}

    def take_final(self, solution: int, out_dir: str) -> dict[str, Any]:
        """Keeps the scores of the separate final run as the solution's test scores."""
        kept = self._need_solution(solution)
        try:
            kept.final, _ = self._read_whole(out_dir)
        except BadOutput as error:
            return {"failure": str(error)}
        return {"failure": None}

    def take_refit(self, solution: int, out_dir: str) -> dict[str, Any]:
        """Takes the scores of a run over all labelled rows instead of the mean of the folds, unless the two disagree. With few rows it comes
        before the end of a solution, else after a comparison has favoured it."""
        kept, folds = self._need_solution(solution), self._need_folds(None)
        is_early = wants_refit(self._need_task()) and len(kept.graded) == folds.count and kept.evaluation is None
        if not is_early and solution not in self._favoured:
            raise Refused(
                f"a refit of solution {solution} is not for now: it comes after its last fold, before it is finished, or when a comparison favours it"
            )
        is_read = False
        try:
            scores, is_raw = self._read_whole(out_dir)
            is_read = True
            if is_raw != kept.is_raw:
                raise BadOutput("it wrote another kind of file than in its folds")
        except BadOutput as error:
            agrees, detail = False, f"the refit cannot be read: {error}"
        else:
            compared = compare_refit(self._need_task(), kept, scores)
            agrees, detail = compared.agrees, compared.detail
            kept.final = scores if agrees else None
        kept.refit = check("refit like folds", agrees, "suspect" if is_read else "note", detail)
        if kept.evaluation is not None:
            self._favoured.discard(solution)
            checks = [*kept.evaluation["checks"], kept.refit]
            kept.evaluation = {**kept.evaluation, "checks": checks, "trust": decide_verdict(checks)}
        return {"adopted": agrees, "detail": detail, "evaluation": kept.evaluation}

    def _read_whole(self, out_dir: str) -> tuple[NDArray[np.float64], bool]:
        """Scores of the test rows in their own order, from a run over all labelled rows. Raises BadOutput."""
        task, run = self._need_task(), self._need_run("final")
        scores, is_raw = read_output(Path(out_dir), task.layout, run.keys, task.metric_id, task.extras_of(run.rows))
        ordered = np.empty((task.n_test, scores.shape[1]))
        ordered[run.rows - task.n_train] = scores
        return ordered, is_raw

    def finish_solution(self, solution: int) -> dict[str, Any]:
        """Evaluates a solution whose folds are all graded."""
        started = time.monotonic()
        kept, folds = self._need_solution(solution), self._need_folds(None)
        if kept.evaluation is not None:
            return kept.evaluation
        missing = sorted(set(range(folds.count)) - kept.graded)
        if missing:
            raise Refused(f"solution {solution} is not finished: fold {missing[0]} is not graded")
        return self._finish(kept, started)

    def blend(self, solution: int, members: list[int], families: list[str]) -> dict[str, Any]:
        """Blends finished solutions that gave raw scores, as a new solution. `families`: what each member is a kind of."""
        started = time.monotonic()
        task, folds = self._need_task(), self._need_folds(None)
        if solution in self._solutions or len(set(members)) != len(members) or len(families) != len(members):
            raise Refused(f"the blend's number {solution} is taken, a member is named twice, or one has no family")
        kept = [self._need_solution(m) for m in members]
        for member in kept:
            if member.evaluation is None or not member.is_raw or member.number == 0:
                raise Refused(
                    f"solution {member.number} cannot be blended: it is not finished, or it wrote decisions instead of raw scores"
                )
        made = blend_part.blend(task, folds, [m.oof for m in kept], [m.test_scores() for m in kept], families)
        new = empty_solution(task, solution)
        new.oof, new.final, new.decoder = made.oof, made.test, made.measured.decoder
        checks = [*check_solution(task, new, made.measured, self._check_data()), check_members(kept)]
        new.evaluation = evaluate_part.reply(solution, made.measured, checks, time.monotonic() - started)
        self._solutions[solution] = new
        weights = [{"solution": m, "weight": round(float(w), 6)} for m, w in zip(members, made.weights, strict=True)]
        return {"evaluation": new.evaluation, "weights": weights, "nested": True}

    def check_program(self, path: str) -> dict[str, Any]:
        """Whether a generated program may run: `reason` says why not."""
        return {"reason": find_carried_answers(self._need_task(), Path(path))}

    def cut_probes(self, generated: bool) -> dict[str, Any]:
        """Writes the folders of the probes of a finalist; the same ones for every finalist."""
        task, folds = self._need_task(), self._need_folds(None)
        plans = plan_probes(task, folds, generated)
        return {"probes": [{"kind": kind, "run": self._open_run(plan).reply()} for kind, plan in plans.items()]}

    def judge_probes(self, solution: int, generated: bool, outcomes: list[dict[str, Any]]) -> dict[str, Any]:
        """The evaluation with what the probes say. `outcomes`: `kind`, and `out_dir` or `failure` and `is_fault`."""
        task, folds, kept = self._need_task(), self._need_folds(None), self._need_solution(solution)
        if kept.evaluation is None or solution == 0:
            raise Refused(f"solution {solution} has no evaluation that could be doubted")
        read = {o["kind"]: self._read_probe(o) for o in outcomes}
        checks = check_probes(task, folds, kept, read)
        if generated:
            checks.append(check_jump(task, kept, list(self._solutions.values())))
        known = {c["name"] for c in checks}
        checks = [*(c for c in kept.evaluation["checks"] if c["name"] not in known), *checks]
        kept.evaluation = {**kept.evaluation, "checks": checks, "trust": decide_verdict(checks)}
        return kept.evaluation

    def _read_probe(self, outcome: dict[str, Any]) -> ProbeOutcome:
        kind: Kind = outcome["kind"]
        if outcome["out_dir"] is None:
            return ProbeOutcome(None, outcome["failure"] or "it did not run", bool(outcome["is_fault"]))
        task, run = self._need_task(), self._need_run(f"probe-{kind}")
        try:
            scores, _ = read_output(Path(outcome["out_dir"]), task.layout, run.keys, task.metric_id, task.extras_of(run.rows))
        except BadOutput as error:
            return ProbeOutcome(None, str(error), True)
        scored = np.flatnonzero(run.rows < task.n_train)
        return ProbeOutcome(scores[scored[np.argsort(run.rows[scored])]])

    def expect_score(self, solution: int, candidates: list[int]) -> dict[str, Any]:
        """What the leaderboard should say of a finished solution that was chosen from the candidates, itself among them."""
        task, folds = self._need_task(), self._need_folds(None)
        kept = [self._need_solution(c) for c in candidates]
        if solution not in candidates or len(set(candidates)) != len(candidates) or any(k.evaluation is None for k in kept):
            raise Refused("the candidates must be finished solutions, each once, and the chosen one among them")
        chosen = kept[candidates.index(solution)]
        if chosen.rebuilt is None:
            # A stack that lost was no candidate by these scores: it is compared on rows of its own.
            kept = [k for k in kept if k.rebuilt is None]
        else:
            kept, chosen = [as_rebuilt(folds, k) for k in kept], as_rebuilt(folds, chosen)
            folds = outer_folds(folds)
        place = [k.number for k in kept].index(solution)
        measured = evaluate_part.evaluate(task, folds, chosen.oof, chosen.is_raw)
        expected = expect_score(task, folds, kept, place, measured)
        return {"expected": None if expected is None else expected.reply()}

    def correlate(self, solution: int, others: list[int]) -> dict[str, Any]:
        """How alike the others answer rows that they were not trained on; null where that cannot be told."""
        kept, found = self._need_solution(solution), [self._need_solution(other) for other in others]
        values = [correlate(kept.oof, other.oof) for other in found]
        return {"correlations": [{"solution": o, "value": v} for o, v in zip(others, values, strict=True)]}

    def write_submission(self, solution: int, path: str) -> dict[str, Any]:
        """Decodes, writes atomically, validates what was written."""
        task, kept = self._need_task(), self._need_solution(solution)
        scores = kept.test_scores()
        if kept.decoder is None or scores is None:
            raise Refused(f"solution {solution} has no evaluation or no test scores yet")
        assert self._competition is not None
        columns = submission_columns(task, self._competition, scores, kept.decoder)
        write_atomically(Path(path), encode_file(task.profile["submission"], columns))
        return self.validate(path)

    def validate(self, path: str) -> dict[str, Any]:
        """Checks any file against the submission schema."""
        task = self._need_task()
        assert self._competition is not None
        return validate_file(task, self._competition, Path(path))

    def save_state(self, path: str, solutions: list[int]) -> dict[str, Any]:
        """Writes finished solutions for a later attempt."""
        kept = [self._need_solution(s) for s in solutions]
        if any(s.evaluation is None for s in kept):
            raise Refused("only finished solutions can be saved")
        return state_part.save_state(self._need_task(), self._need_folds(None), kept, Path(path))

    def load_state(self, path: str) -> dict[str, Any]:
        """Takes over solutions of an earlier attempt at the same task."""
        folds = self._need_folds(None)
        loaded = state_part.load_state(self._need_task(), folds, Path(path))
        for solution in loaded:
            solution.graded = set(range(folds.count))
            self._solutions[solution.number] = solution
        return {"evaluations": [s.evaluation for s in loaded]}
