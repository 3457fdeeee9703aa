"""python -I fork_server.py PROGRAM_OF_THE_SERVER: forks one single-use child a run, with the usual packages imported already.

The parent only imports: it opens no data, draws no random numbers and computes nothing, so it has no pool of threads that a fork would break.
Each child gets its own supervisor (supervise.py), limits, Landlock and seccomp before the solution's first line (solution contract, section 6).

stdin: a JSON order a line. stdout: frames of run number, kind and length (big-endian, 4 + 1 + 4 bytes), then the bytes: what a run prints
(`OUT`, `ERR`), that it has begun (`BEGUN`: its supervisor's process number) and how it ended (`ENDED`: the wait status).
"""

import contextlib
import gc
import importlib
import json
import os
import resource
import selectors
import signal
import socket
import struct
import sys
from dataclasses import dataclass, field
from typing import Any

from . import seccomp
from .run_program import become_program
from .supervise import run_supervised

OUT, ERR, BEGUN, ENDED, READY = 1, 2, 3, 4, 5
# What costs half a second or more of each cold start.
_PACKAGES = (
    "numpy", "scipy.sparse", "scipy.stats", "scipy.optimize", "pyarrow", "pyarrow.csv", "pyarrow.parquet", "pandas",
    "sklearn.linear_model", "sklearn.ensemble", "sklearn.preprocessing", "sklearn.feature_extraction.text", "sklearn.model_selection",
    "sklearn.pipeline", "sklearn.compose", "sklearn.impute", "sklearn.metrics", "sklearn.svm", "sklearn.neighbors", "lightgbm", "xgboost",
)  # fmt: skip
_MOST_OUTPUT = 4 << 20
_PIECE = 1 << 16


@dataclass
class Run:
    """One child. `open`: its pipes that have not ended yet; `status`: how it ended; `ends`: the last bytes of streams that were cut."""

    number: int
    pid: int
    open: set[int] = field(default_factory=set)
    sent: int = 0
    status: int | None = None
    ends: dict[int, bytearray] = field(default_factory=dict)


class Server:
    """The loop: orders in, frames out, children reaped. Ends when its input ends; its children die with it."""

    def __init__(self) -> None:
        self._runs: dict[int, Run] = {}
        self._selector = selectors.DefaultSelector()
        self._out = os.dup(1)
        os.dup2(2, 1)
        self._input = b""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._alarm = reader
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._selector.register(reader, selectors.EVENT_READ, None)
        self._selector.register(0, selectors.EVENT_READ, None)

    def serve(self) -> None:
        """Until standard input ends."""
        self._send(0, READY, b"")
        while True:
            for key, _ in self._selector.select():
                if key.fd == 0:
                    if not self._read_orders():
                        return
                elif key.fd == self._alarm:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._alarm, 4096)
                else:
                    self._relay(*key.data)
            self._reap()

    def _read_orders(self) -> bool:
        data = os.read(0, 1 << 20)
        if not data:
            return False
        *lines, self._input = (self._input + data).split(b"\n")
        for line in lines:
            self._start(json.loads(line))
        return True

    def _start(self, order: dict[str, Any]) -> None:
        # Sockets, as a cold start has them: a pipe could be opened anew through /proc, and read by the program that writes it.
        pipes = [tuple(end.detach() for end in socket.socketpair()) for _ in range(2)]
        pid = os.fork()
        if pid == 0:
            _be_child(order, [writer for _, writer in pipes])
        run = Run(int(order["run"]), pid)
        self._runs[run.number] = run
        for kind, (reader, writer) in zip((OUT, ERR), pipes, strict=True):
            os.close(writer)
            run.open.add(reader)
            self._selector.register(reader, selectors.EVENT_READ, (run, kind, reader))
        self._send(run.number, BEGUN, str(pid).encode())

    def _relay(self, run: Run, kind: int, reader: int) -> None:
        try:
            data = os.read(reader, _PIECE)
        except ConnectionResetError:
            data = b""
        if not data:
            self._selector.unregister(reader)
            os.close(reader)
            run.open.discard(reader)
            if kind in run.ends:
                self._send(run.number, kind, bytes(run.ends.pop(kind)))
            self._finish(run)
        elif run.sent <= _MOST_OUTPUT:
            run.sent += len(data)
            self._send(run.number, kind, data)
        else:
            # Read, so that the program does not wait, and dropped but for its end: a traceback comes last.
            end = run.ends.setdefault(kind, bytearray())
            end += data
            del end[:-_PIECE]

    def _reap(self) -> None:
        for run in list(self._runs.values()):
            if run.status is None:
                pid, status = os.waitpid(run.pid, os.WNOHANG)
                if pid != 0:
                    run.status = status
                    self._finish(run)

    def _finish(self, run: Run) -> None:
        """A run has ended when its supervisor has, and nobody holds its pipes: the supervisor leaves nothing behind that could."""
        if run.status is not None and not run.open:
            self._runs.pop(run.number, None)
            self._send(run.number, ENDED, str(run.status).encode())

    def _send(self, number: int, kind: int, data: bytes) -> None:
        rest = memoryview(struct.pack(">IBI", number, kind, len(data)) + data)
        while rest:
            rest = rest[os.write(self._out, rest) :]


def _be_child(order: dict[str, Any], writers: list[int]) -> None:
    """Never returns."""
    code = 71
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, place in ((nothing, 0), (writers[0], 1), (writers[1], 2)):
            os.dup2(number, place)
        os.closerange(3, 1 << 16)
        os.setsid()
        code = run_supervised(lambda: become_program(order))
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(2, f"fork server: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)


def main() -> int:
    """Imports, then serves."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name in _PACKAGES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    # The library of the filter, too: after Landlock it could not be opened.
    seccomp.prepare(tight=True)
    gc.collect()
    gc.freeze()
    Server().serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
