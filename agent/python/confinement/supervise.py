"""A program as a child, and the certain end of everything that it starts.

SIGTERM is passed on to the program's group; SIGINT, and the death of our own parent, end all at once. Orphans become our children, so
none can escape by a double fork or a new session.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_SWEEP_SECONDS = 5.0


def run_supervised(become: Callable[[], int]) -> int:
    """Runs `become` in a child (it execs, or returns an exit code). Returns the child's exit code; dies of the signal that it died of."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)
    program = 0

    def pass_on(*_: object) -> None:
        if program > 0:
            _signal_group(program, signal.SIGTERM)

    def end_all(*_: object) -> None:
        _kill_children()

    # Blocked until the child's number is known: a signal in between would be lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, end_all)
    program = os.fork()
    if program == 0:
        _be_the_child(libc, become)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    # The pipes belong to the program: whoever reads them sees their end when it ends.
    status = _wait_for(program)
    _sweep()
    if os.WIFSIGNALED(status):
        _die_of(os.WTERMSIG(status))
    return os.waitstatus_to_exitcode(status)


def _be_the_child(libc: ctypes.CDLL, become: Callable[[], int]) -> None:
    code = 71
    try:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        # Python ignores these two in itself; a program expects their default.
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        code = become()
    except BaseException as error:
        print(f"confine: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def _wait_for(program: int) -> int:
    """Reaps orphans on the way."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == program:
            return status


def _sweep() -> None:
    """Kills and reaps until nobody is left. Children of those that die become ours, and are found in the next round."""
    until = time.monotonic() + _SWEEP_SECONDS
    while time.monotonic() < until:
        _kill_children()
        try:
            while os.waitpid(-1, os.WNOHANG)[0] != 0:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)


def _kill_children() -> None:
    for pid in _list_children():
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            continue


def _list_children() -> list[int]:
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        try:
            found += [int(word) for word in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def _signal_group(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except OSError:
        return


def _die_of(number: int) -> None:
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
