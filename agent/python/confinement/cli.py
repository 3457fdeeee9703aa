"""python -I confine.py [options] -- program [arguments]

Takes rights away and then becomes the program. Works without any privilege; nothing can be given back afterwards.

--deny-unix    also no AF_UNIX sockets (a socketpair stays possible), no IPC, no locks: for one run of a solution
--read PATH    Landlock: this file or folder may be read and executed; may be given again
--write PATH   Landlock: everything but devices, sockets and execution is allowed here; may be given again
--tasks N      at most so many processes and threads of this user (in a user namespace: of this run)
--own-user N   a run of root becomes a user of its own with at most N processes and threads, and loses root's rights
--supervise    the program runs as a child; when it ends, everything that it left behind ends too
--best-effort  goes on where something cannot be enforced, and says so
--probe        enforces nothing, prints as JSON what can be enforced here

With --read or --write everything else is closed, but for Python itself and the system's libraries. Exit 70: something could not be
enforced (one line says what), 71: the program could not be started.
"""

import json
import os
import resource
import sys
from dataclasses import dataclass, field

from . import landlock, own_user, seccomp
from .supervise import run_supervised

EXIT_NOT_ENFORCED = 70
EXIT_NOT_STARTED = 71


@dataclass
class Options:
    """The command line."""

    deny_unix: bool = False
    supervise: bool = False
    best_effort: bool = False
    probe: bool = False
    tasks: int | None = None
    own_user: int | None = None
    read: list[str] = field(default_factory=list)
    write: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def main(arguments: list[str]) -> int:
    """Returns only when the program was not started, or ran as a child."""
    try:
        options = parse(arguments)
    except ValueError as error:
        print(f"confine: {error}", file=sys.stderr)
        return 64
    if options.probe:
        print(json.dumps(probe()))
        return 0
    os.closerange(3, 1 << 20)
    if options.tasks is not None:
        resource.setrlimit(resource.RLIMIT_NPROC, (options.tasks, options.tasks))
    if options.supervise:
        return run_supervised(lambda: confine_and_become(options))
    return confine_and_become(options)


def parse(arguments: list[str]) -> Options:
    """Raises ValueError with a sentence for people."""
    options = Options()
    rest = iter(arguments)
    for word in rest:
        if word == "--":
            options.command = list(rest)
        elif word in ("--deny-unix", "--supervise", "--best-effort", "--probe"):
            setattr(options, word[2:].replace("-", "_"), True)
        elif word in ("--read", "--write"):
            value = next(rest, None)
            if value is None:
                raise ValueError(f"{word} needs a path")
            (options.read if word == "--read" else options.write).append(value)
        elif word in ("--tasks", "--own-user"):
            value = next(rest, "")
            if not value.isascii() or not value.isdigit():
                raise ValueError(f"{word} needs a number")
            setattr(options, word[2:].replace("-", "_"), int(value))
        else:
            raise ValueError(f"unknown option {word}; the program comes after --")
    if not options.command and not options.probe:
        raise ValueError("a program is missing: confine.py [options] -- program [arguments]")
    return options


def confine_and_become(options: Options) -> int:
    """Landlock and seccomp, then exec. Returns an exit code when that failed."""
    missing: list[str] = []
    try:
        # Its library is opened before Landlock closes the files.
        filter_calls = seccomp.prepare(tight=options.deny_unix)
    except (ImportError, OSError, RuntimeError) as error:
        missing.append(f"seccomp ({error})")
        filter_calls = None
    try:
        seccomp.forbid_new_privileges()
        if options.own_user is not None:
            own_user.take_own_user(options.write, options.own_user)
        if options.read or options.write:
            landlock.restrict(options.read, options.write)
    except OSError as error:
        missing.append(f"Landlock ({error})")
    if filter_calls is not None:
        try:
            filter_calls()
        except (OSError, RuntimeError) as error:
            missing.append(f"seccomp ({error})")
    if missing:
        print(f"confine: not enforced: {'; '.join(missing)}", file=sys.stderr, flush=True)
        if not options.best_effort:
            return EXIT_NOT_ENFORCED
    try:
        os.execvp(options.command[0], options.command)
    except OSError as error:
        print(f"confine: {options.command[0]} cannot be started: {error.strerror}", file=sys.stderr, flush=True)
        return EXIT_NOT_STARTED


def probe() -> dict[str, object]:
    """`seccomp`: filters can be loaded; `landlock`: version of its interface, 0 = not there; `own_user`: a run can become one; `problems`: one line each; `python_places`."""
    problems: list[str] = []
    child = os.fork()
    if child == 0:
        code = 1
        try:
            seccomp.forbid_new_privileges()
            seccomp.prepare(tight=True)()
            code = 0
        except (ImportError, OSError, RuntimeError) as error:
            print(f"confine: seccomp: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    loaded = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    if not loaded:
        problems.append("seccomp filters cannot be loaded (libseccomp.so.2 is needed)")
    version = landlock.find_version()
    if version == 0:
        problems.append("the kernel has no Landlock, or it is switched off")
    elif version < landlock.VERSION_WITH_SCOPES:
        problems.append(f"Landlock {version} does not keep signals inside (version {landlock.VERSION_WITH_SCOPES} does)")
    return {
        "seccomp": loaded,
        "landlock": version,
        "own_user": own_user.find_user() is not None,
        "problems": problems,
        "python_places": landlock.list_python_places(),
    }
