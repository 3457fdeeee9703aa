"""JSON lines: one request a line on stdin, one reply a line on stdout, until stdin ends."""

import inspect
import json
import os
import sys
import traceback
from typing import Any

from .errors import BadInput, HarnessError
from .sessions import Sessions

_LINE_BYTES = 64 << 20
METHODS = (
    "hello", "profile", "fix_task", "baseline", "cut", "grade_fold", "measure_fold", "take_final", "take_refit", "finish_solution", "expect_score", "correlate",
    "cut_stack", "cut_rebuild", "take_rebuild", "cut_rebuilt_stack", "take_rebuilt_stack", "judge_stack", "cut_refit",
    "check_program", "play_round", "cut_probes", "judge_probes", "blend", "write_submission", "validate", "save_state", "load_state",
)  # fmt: skip


def serve() -> int:
    """Answers until the pipe closes. Anything else that prints goes to stderr, so that replies stay clean."""
    os.umask(0o022)
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    sessions = Sessions()
    while line := sys.stdin.buffer.readline(_LINE_BYTES):
        reply = answer(sessions, line)
        replies.write(json.dumps(reply, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n")
        replies.flush()
    return 0


def answer(sessions: Sessions, line: bytes) -> dict[str, Any]:
    """The reply to one request line. Never raises."""
    number = -1
    try:
        request = json.loads(line)
        number = int(request["id"])
        method, params = request["method"], request.get("params") or {}
        if method not in METHODS:
            return _error(number, "refused", f"unknown method {str(method)[:60]}")
        session = sessions.of(method, params)
        function = getattr(session, method, None)
        if function is None:
            return _error(number, "refused", f"{method} means nothing for this kind of competition")
        try:
            inspect.signature(function).bind(**params)
        except TypeError as error:
            return _error(number, "refused", f"{method}: {error}")
        try:
            result = function(**params)
        except BadInput as error:
            result = sessions.without_labels(method, params, error)
        json.dumps(result, allow_nan=False)
        return {"id": number, "result": result}
    except HarnessError as error:
        return _error(number, error.code, str(error))
    except Exception as error:
        print(traceback.format_exc(), file=sys.stderr, flush=True)
        kind = "refused" if number == -1 else "bug"
        return _error(number, kind, f"{type(error).__name__}: {str(error)[:300]}")


def _error(number: int, code: str, message: str) -> dict[str, Any]:
    return {"id": number, "error": {"code": code, "message": " ".join(message.split())[:1000]}}
