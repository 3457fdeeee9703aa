"""A run of root gets a user of its own, and of root's rights only that of reading what Landlock leaves open."""

import ctypes
import os
import resource
import secrets
import signal
from pathlib import Path

_CHOWN, _DAC_OVERRIDE, _DAC_READ_SEARCH, _KILL, _SETGID, _SETUID, _SETPCAP = 0, 1, 2, 5, 6, 7, 8
_NEEDED = (_CHOWN, _DAC_OVERRIDE, _DAC_READ_SEARCH, _KILL, _SETGID, _SETUID, _SETPCAP)
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 8, 24, 47, 2
_VERSION_3 = 0x20080522
_FIRST_FREE, _NOBODY, _MOST = 100_000, 65_534, (1 << 31) - 1


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Rights(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


_libc = ctypes.CDLL(None, use_errno=True)


def take_own_user(write: list[str], tasks: int) -> bool:
    """Gives up root's rights, for good.

    Becomes a user that nobody else is, who owns `write` and may have `tasks` processes and threads, if this is a root that may; else only
    drops what capabilities there are. Returns whether it became one. Must come before the filter, which refuses changes of owners. Raises OSError.
    """
    held, user = read_capabilities(), find_user()
    if held & (1 << _SETPCAP):
        _drop_bounding_set(kept=None if user is None else _DAC_READ_SEARCH)
    if user is None:
        _set_capabilities(0, 0)
        return False
    for path in write:
        os.chown(path, user, user)
    _check(_libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    # The data belong to the agent, in folders closed to others: to read them is all that is kept, through exec too.
    _set_capabilities(1 << _DAC_READ_SEARCH, 1 << _DAC_READ_SEARCH)
    _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _DAC_READ_SEARCH, 0, 0))
    # The kernel counts a user's, and this one has no others. A change of user has also undone who ends us when our parent dies.
    resource.setrlimit(resource.RLIMIT_NPROC, (tasks, tasks))
    _check(_libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0))
    return True


def find_user() -> int | None:
    """A number for a run, where this process is a root that may give one; else None."""
    held = read_capabilities()
    if os.geteuid() != 0 or not all(held & (1 << capability) for capability in _NEEDED):
        return None
    return choose_user(Path("/proc/self/uid_map").read_text())


def choose_user(uid_map: str) -> int | None:
    """One of the larger numbers that this namespace knows, where people and services have none; None = too few are there."""
    ranges = [(int(first), int(first) + int(count)) for first, _, count in (line.split() for line in uid_map.splitlines())]
    first, end = max(ranges, key=lambda one: one[1], default=(0, 0))
    end = min(end, _MOST)
    low = max(first, min(_FIRST_FREE, end // 2), 1_000)
    if end - low < 1_000:
        return None
    user = low + secrets.randbelow(end - low)
    return user if user != _NOBODY else user - 1


def read_capabilities() -> int:
    """The effective ones, a bit each."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff:"))
    return int(line.split()[1], 16)


def _drop_bounding_set(kept: int | None) -> None:
    for capability in range(64):
        # Those that this kernel does not know are refused, and nothing is lost by it.
        if capability != kept:
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def _set_capabilities(kept: int, inheritable: int) -> None:
    header = _Header(_VERSION_3, 0)
    rights = (_Rights * 2)(_Rights(kept, kept, inheritable), _Rights(0, 0, 0))
    _check(_libc.capset(ctypes.byref(header), ctypes.byref(rights)))


def _check(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"capabilities: {os.strerror(code)}")
