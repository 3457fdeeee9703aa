"""The last steps of a child of the fork server: limits, Landlock and seccomp, then the solution as a clean `__main__`."""

import atexit
import os
import random
import resource
import sys
import threading
import traceback
import types
from typing import Any

from . import landlock, own_user, seccomp
from .thread_semaphores import install

_OWN = "confinement"
_EXIT_NOT_ENFORCED = 70


def become_program(order: dict[str, Any]) -> int:
    """Exit code of the program, as a cold start would have given it."""
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environment"])
    _limit(order["limits"])
    missing = _confine(order)
    if missing:
        print(f"confine: not enforced: {missing}", file=sys.stderr, flush=True)
        return _EXIT_NOT_ENFORCED
    install()
    _forget()
    return _run(order["program"], order["arguments"])


def _limit(limits: dict[str, int]) -> None:
    kinds = {
        "open_files": resource.RLIMIT_NOFILE,
        "file_bytes": resource.RLIMIT_FSIZE,
        "cpu_s": resource.RLIMIT_CPU,
        "data_bytes": resource.RLIMIT_DATA,
    }
    for name, kind in kinds.items():
        resource.setrlimit(kind, (limits[name], limits[name]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _confine(order: dict[str, Any]) -> str | None:
    try:
        filter_calls = seccomp.prepare(tight=True)
        seccomp.forbid_new_privileges()
        own_user.take_own_user(order["write"], order["limits"]["tasks"])
        landlock.restrict(order["read"], order["write"])
        filter_calls()
    except (ImportError, OSError, RuntimeError) as error:
        return str(error)
    return None


def _forget() -> None:
    """What a cold start would not have: our modules, our path, and the parent's random state, which every child would share."""
    for name in [n for n in sys.modules if n == _OWN or n.startswith(f"{_OWN}.")]:
        del sys.modules[name]
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile.tempdir = None


def _run(program: str, arguments: list[str]) -> int:
    sys.argv = [program, *arguments]
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=program, __builtins__=__builtins__, __cached__=None, __annotations__={})
    sys.modules["__main__"] = main
    code = _execute(program, main)
    # As Python ends: threads, then what was registered, then the streams.
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 120
    return code


def _execute(program: str, main: types.ModuleType) -> int:
    try:
        with open(program, "rb") as stream:  # noqa: PTH123  (as start.py does)
            compiled = compile(stream.read(), program, "exec")
        exec(compiled, main.__dict__)
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return (error.code or 0) & 0xFF
        print(error.code, file=sys.stderr)
        return 1
    except BaseException as error:
        # Without our own frames: the first of the program's is below this one.
        own = error.__traceback__.tb_next if error.__traceback__ is not None else None
        traceback.print_exception(type(error), error, own)
        return 1
    return 0
