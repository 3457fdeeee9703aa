"""Tries to break out of the sandbox that solutions run in; run by it like a solution. Writes name → "refused: …" or "OPEN: …" as JSON."""

import argparse
import ctypes
import errno
import json
import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path

import numpy  # noqa: F401  (the packages must work here too)

_LIBC = ctypes.CDLL(None, use_errno=True)
_NEW_USER_NAMESPACE = 0x10000000
# By number where the C library has no function: the same on every architecture.
_IO_URING_SETUP = 425
_WHO_IS_THERE = 0
_REMOVE = 0


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("train", "out", "params"):
        parser.add_argument(f"--{name}", type=Path)
    args, _ = parser.parse_known_args()
    given = json.loads(args.params.read_text())
    secret, home, pid = Path(given["secret"]), Path(given["home"]), int(given["pid"])
    tries: dict[str, Callable[[], object]] = {
        "read a file outside": secret.read_bytes,
        "write beside its folders": lambda: _write(home / "x"),
        "write into the data": lambda: _write(args.train / "x"),
        "write into /tmp": lambda: _write(Path("/tmp/kaggle-agent-self-test")),
        "write into /dev/shm": lambda: _write(Path("/dev/shm/kaggle-agent-self-test")),
        "read the environment of the agent": Path(f"/proc/{pid}/environ").read_bytes,
        "read the environment of process 1": Path("/proc/1/environ").read_bytes,
        "signal another process": lambda: os.kill(pid, _WHO_IS_THERE),
        "make an internet socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "make a datagram socket": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
        "make a unix socket": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
        "make a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "trace": lambda: _call(_LIBC.ptrace, 0, 0, 0, 0),
        "make a user namespace": lambda: _call(_LIBC.unshare, _NEW_USER_NAMESPACE),
        "mount": lambda: _call(_LIBC.mount, b"none", str(args.out).encode(), b"tmpfs", 0, None),
        "make a ring": lambda: _call(_LIBC.syscall, _IO_URING_SETUP, 1, 0),
        "make shared memory": _make_shared_memory,
        "watch files": lambda: _call(_LIBC.inotify_init1, 0),
        "open an inherited descriptor": _use_inherited,
        "take rights of a group": lambda: os.setgroups([1]),
        "raise its own limits": _raise_limits,
    }
    (args.out / "self-test.json").write_text(json.dumps({name: _attempt(action) for name, action in tries.items()}))


def _attempt(action: Callable[[], object]) -> str:
    try:
        result = action()
    except OSError as error:
        # A pointer to nothing that is looked at, or an argument that is judged, means that the call itself was not refused.
        if error.errno in (errno.EFAULT, errno.EINVAL):
            return f"OPEN: {errno.errorcode[error.errno]}"
        return f"refused: {errno.errorcode.get(error.errno or 0, error.errno)}"
    return f"OPEN: {type(result).__name__}"


def _write(path: Path) -> None:
    path.write_bytes(b"x")
    path.unlink()


def _call(function: Callable[..., int], *arguments: object) -> int:
    result = function(*arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _make_shared_memory() -> None:
    made = _call(_LIBC.shmget, 0, 4096, 0o1600)
    _call(_LIBC.shmctl, made, _REMOVE, None)


def _use_inherited() -> list[int]:
    found = [number for number in range(3, 256) if _is_open(number)]
    if not found:
        raise OSError(errno.EBADF, "none is open")
    return found


def _raise_limits() -> None:
    kind = resource.RLIMIT_NOFILE
    _, most = resource.getrlimit(kind)
    try:
        resource.setrlimit(kind, (most + 1, most + 1))
    except ValueError as error:
        raise OSError(errno.EPERM, str(error)) from error


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
