"""The kind `agent`: a program plays games, all of a match side by side, one run a round; the harness is the referee and moves for the opponents."""

import ast
import hashlib
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from ..checks import check
from ..errors import BadInput, BadOutput, Refused, shown
from ..limits import DESCRIPTION_CHARACTERS
from ..roles import assign_roles, list_files
from ..run_folders import KEY
from ..scores_file import find_positions, read_bounded, read_csv
from ..submission import write_atomically
from .base_session import BaseSession, Unlabelled, describe_profile, make_evaluation
from .four_in_a_row import HEIGHT, OPPONENTS, WIDTH
from .match import BATCHES, Game, play_plainly, score_batches, start_games
from .recognize import recognizes_four_in_a_row

METRIC = "win_rate"
_GAME = "four-in-a-row"
_MOVE = "move"
_PROGRAM_BYTES = 1 << 20
_MOVE_LIMIT_S = 2.0
"""What Kaggle allows for a move of ConnectX; a page may say less."""
_LIMIT = re.compile(r"(\d+(?:\.\d+)?) ?(?:s|sec|seconds?) (?:a|per|for each|for every) (?:move|turn|action)", re.IGNORECASE)
_FILE = re.compile(r"\b(agent|main|submission)\.py\b")
_PLAIN = '''"""The first column that has a place."""


def act(board, mark):
    """board: 42 numbers, row by row from the top, 0 = free; mark: 1 or 2. Gives a column, 0 to 6."""
    return next(column for column in range(7) if board[column] == 0)


def agent(observation, configuration):
    """As Kaggle calls it."""
    return act(observation.board, observation.mark)
'''
_T_95_OF_4 = 2.776
"""Of the t distribution with BATCHES − 1 degrees of freedom."""
_FIXED_TIME = (946_684_800, 946_684_800)


class GameSession(BaseSession):
    """Every program plays the same openings against the same opponents, so that their results can be compared batch by batch."""

    def __init__(self) -> None:
        super().__init__()
        self._seed = 0
        self._profile: dict[str, Any] = {}
        self._games: dict[int, list[Game]] = {}
        self._rounds: dict[int, int] = {}
        self._keys: dict[int, list[int]] = {}
        self._first: dict[str, Any] | None = None

    def profile(self, data_dir: str, description: str) -> dict[str, Any]:
        """The TaskProfile of the protocol."""
        if not recognizes_four_in_a_row(Path(data_dir), description):
            raise BadInput("The pages speak of no game that can be played here.")
        files = list_files(Path(data_dir))
        assign_roles(files)
        text = description[:DESCRIPTION_CHARACTERS]
        named, limit = _FILE.search(text), _LIMIT.search(text)
        is_proxy = re.search(r"win rate|share of (the )?(games|wins)|fraction of (the )?games", text, re.IGNORECASE) is None
        warnings = ["no labels: programs are judged by games of four in a row against three opponents of ours"]
        if is_proxy:
            warnings.append("a leaderboard of games is a rating against the others' programs: the share of games won here stands in")
        return describe_profile(
            "agent",
            {
                "shape_reason": f"there are no tables, and the pages ask for a program that plays; {len(OPPONENTS)} opponents, {BATCHES} batches of games",
                "files": [{"name": f.name, "role": f.role, "bytes": f.bytes} for f in files[:500]],
                "targets": [{"name": _MOVE, "type": "move", "classes": None}],
                "train_rows": 0,
                "test_rows": len(start_games(0)),
                "objective": {
                    "id": METRIC,
                    "of": _GAME,
                    "display_name": "share of games won",
                    "proxy": is_proxy,
                    "move_limit_s": min(_MOVE_LIMIT_S, float(limit[1])) if limit and float(limit[1]) > 0 else _MOVE_LIMIT_S,
                },
                "submission": {
                    "source": "description",
                    "file_name": f"{named[1]}.py" if named else "main.py",
                    "separator": ",",
                    "encoding": "utf-8",
                    "compression": "none",
                    "decimal": ".",
                    "columns": [],
                    "id_columns": [],
                    "target_columns": [],
                    "row_count": 0,
                    "form": "program",
                },
                "warnings": warnings,
            },
        )

    def fix_task(self, data_dir: str, work_dir: str, profile: dict[str, Any], metric: dict[str, Any], seed: int) -> dict[str, Any]:
        """Fixes the task: the games depend on the seed alone."""
        if metric["id"] != METRIC:
            raise Refused(f"games are measured by {METRIC}, not by {shown(metric['id'])}")
        self._seed, self._profile = seed, profile
        self._open(work_dir, METRIC, _GAME, str(seed))
        self._games, self._rounds, self._keys, self._first = {}, {}, {}, None
        return {}

    def baseline(self) -> dict[str, Any]:
        """A program that takes the first column with a place, as solution 0."""
        started = time.monotonic()
        self._need_dir()
        games = start_games(self._seed)
        play_plainly(games)
        self._solutions[0] = _evaluate(0, _PLAIN, games, time.monotonic() - started)
        return {"evaluation": self._solutions[0].evaluation}

    def cut(self, fold_count: int | None) -> dict[str, Any]:
        """The folders of a first round, which are the same for every program but for the program itself."""
        started = time.monotonic()
        self._first = self._first or self._write_round("first", start_games(self._seed), _PLAIN)[0]
        return {
            "fold_count": BATCHES,
            "runs": [self._first],
            "final_run": None,
            "refit_run": None,
            "seconds": round(time.monotonic() - started, 4),
        }

    def play_round(self, solution: int, program: str, out_dir: str | None = None) -> dict[str, Any]:
        """Takes the moves of the round before, lets the opponents move, and writes what is to be answered next. `run` None: all games are over."""
        started = time.monotonic()
        if solution < 1 or (solution in self._solutions and self._solutions[solution].evaluation is not None):
            raise Refused(f"solution {solution} has played its games already")
        text = _read_program(Path(program))
        if out_dir is None:
            self._games[solution], self._rounds[solution] = start_games(self._seed), 0
            self._solutions[solution] = Unlabelled(solution, text)
        elif solution not in self._keys:
            raise Refused(f"there is no round of solution {solution} whose moves could be taken")
        else:
            open_games = [g for g in self._games[solution] if g.result is None]
            try:
                moves = _read_moves(Path(out_dir), np.asarray(self._keys[solution], dtype=np.int64))
            except BadOutput as error:
                del self._solutions[solution], self._keys[solution]
                return {"run": None, "left": len(open_games), "failure": str(error)}
            for game, move in zip(open_games, moves, strict=True):
                game.play(move)
        left = [g for g in self._games[solution] if g.result is None]
        if not left:
            self._solutions[solution] = _evaluate(solution, text, self._games.pop(solution), time.monotonic() - started)
            self._keys.pop(solution, None)
            return {"run": None, "left": 0, "failure": None}
        self._rounds[solution] += 1
        run, self._keys[solution] = self._write_round(f"{solution}-{self._rounds[solution]}", left, text)
        return {"run": run, "left": len(left), "failure": None}

    def write_submission(self, solution: int, path: str) -> dict[str, Any]:
        """Writes the program atomically, and validates what was written."""
        write_atomically(Path(path), str(self._need(solution).answer).encode())
        return self.validate(path)

    def validate(self, path: str) -> dict[str, Any]:
        """Checks a program without running it: text, syntax, size, something that can be called."""
        data = Path(path).read_bytes()
        checks = _check_program(data)
        return {
            "path": path,
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "rows": 0,
            "valid": all(c["ok"] for c in checks),
            "checks": checks,
        }

    def _write_round(self, name: str, games: list[Game], program: str) -> tuple[dict[str, Any], list[int]]:
        """Folders of one round, and the keys in the order of the games. Their name says nothing to the program."""
        folder = self._need_dir() / "runs" / hashlib.sha256(f"{self._digest}|{name}".encode()).hexdigest()[:16]
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "train").mkdir(parents=True)
        (folder / "predict").mkdir()
        rng = np.random.default_rng(int(hashlib.sha256(f"{self._seed}|{name}".encode()).hexdigest()[:12], 16))
        keys = [int(k) + 1 for k in rng.permutation(len(games))]
        shuffled = sorted(range(len(games)), key=keys.__getitem__)
        rows = pa.table(
            {
                KEY: pa.array([keys[i] for i in shuffled]),
                "board": pa.array([games[i].board.text(games[i].mark) for i in shuffled]),
                "mark": pa.array([games[i].mark for i in shuffled]),
            }
        )
        pa_csv.write_csv(rows, folder / "predict" / "rows.csv", pa_csv.WriteOptions(quoting_style="needed"))
        (folder / "train" / "agent.py").write_text(program, encoding="utf-8")
        described = {
            "schema_version": 1,
            "kind": "agent",
            "objective": {"id": METRIC, "direction": "maximize", "game": _GAME, "move_limit_s": self._profile["objective"]["move_limit_s"]},
            "board": {"columns": WIDTH, "rows": HEIGHT, "in_a_row": 4},
            "files": {"rows": "rows", "program": "agent.py"},
        }
        (folder / "train" / "task.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
        for place in (*sorted(folder.rglob("*")), folder):
            os.utime(place, _FIXED_TIME)
        run = {
            "run_id": f"round-{name}",
            "fold": None,
            "train_dir": str(folder / "train"),
            "predict_dir": str(folder / "predict"),
            "predict_kind": "test",
            "train_rows": 0,
            "predict_rows": len(games),
        }
        return run, keys


def _read_program(path: Path) -> str:
    try:
        return read_bounded(path, _PROGRAM_BYTES).decode("utf-8")
    except (BadOutput, UnicodeDecodeError) as error:
        raise Refused(f"the program cannot be read as text ({shown(error, 100)})") from error


def _read_moves(out_dir: Path, keys: np.ndarray) -> list[int]:
    """A column a game in the order of the keys; −1 for what is no whole number: the game is lost. Raises BadOutput."""
    path = out_dir / "predictions.csv"
    if not os.path.lexists(path):
        raise BadOutput("the output folder has no predictions.csv with a move a key")
    table = read_csv(path, [_MOVE], len(keys))
    positions = find_positions(table, keys, path.name)
    text = pc.fill_null(pc.utf8_trim_whitespace(table.column(_MOVE)), "").to_pylist()
    moves = [-1] * len(keys)
    for position, move in zip(positions.tolist(), text, strict=True):
        moves[position] = int(move) if re.fullmatch(r"\d{1,3}", move) else -1
    return moves


def _evaluate(number: int, program: str, games: list[Game], seconds: float) -> Unlabelled:
    scores = score_batches(games)
    mean, error = float(np.mean(scores)), float(np.std(scores, ddof=1) / np.sqrt(len(scores)))
    half = _T_95_OF_4 * error
    by_opponent = ", ".join(f"{o}: {np.mean([g.result for g in games if g.opponent == o]):.2f}" for o in OPPONENTS)
    faults = sum(g.fault for g in games)
    checks = [
        check("judged by games", True, "note", f"{len(games)} games, share won against each opponent ({by_opponent}); a draw counts half"),
        check("legal moves in time", faults == 0, "note", "every move" if faults == 0 else f"{faults} games were lost by a move that was not legal or came too late"),
    ]  # fmt: skip
    return Unlabelled(
        number, program, scores, make_evaluation(number, scores, (max(0.0, mean - half), min(1.0, mean + half), error), checks, seconds)
    )


def _check_program(data: bytes) -> list[dict[str, Any]]:
    def rule(name: str, ok: bool, detail: str) -> dict[str, Any]:
        return {"name": name, "ok": ok, "detail": detail[:500]}

    checks = [rule("size", 0 < len(data) <= _PROGRAM_BYTES, f"{len(data)} bytes, at most {_PROGRAM_BYTES}")]
    try:
        parsed = ast.parse(data.decode("utf-8"))
    except (SyntaxError, ValueError) as error:
        return [*checks, rule("a Python program", False, shown(error, 200))]
    checks.append(rule("a Python program", True, "it has no syntax error"))
    called = [node.name for node in parsed.body if isinstance(node, ast.FunctionDef)]
    named = bool(called) and called[-1] in ("agent", "act")
    last = f'the last function is "{shown(called[-1])}"' if called else "it has no function"
    return [*checks, rule("the player comes last", named, f"{last}; Kaggle calls the last one, which must be agent or act")]
