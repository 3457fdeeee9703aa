"""A seccomp filter through libseccomp: which system calls are refused. A call from another architecture's table kills."""

import ctypes
import ctypes.util
import errno
import os
import socket
from collections.abc import Callable

_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
_LOCK_COMMANDS = (5, 6, 7, 36, 37, 38, 1024, 1026)  # F_GETLK … F_OFD_SETLKW, F_SETLEASE, F_NOTIFY

# Nobody below needs these: other processes' memory, namespaces, mounts, kernel parts, keys, rings, the machine's clock.
_REFUSED = (
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd", "userfaultfd", "perf_event_open",
    "unshare", "setns", "mount", "umount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick",
    "open_tree_attr", "mount_setattr", "name_to_handle_at", "open_by_handle_at", "quotactl", "quotactl_fd", "swapon", "swapoff", "acct",
    "bpf", "keyctl", "add_key", "request_key", "io_uring_setup", "io_uring_enter", "io_uring_register",
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "syslog", "reboot", "iopl", "ioperm", "modify_ldt",
    "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "lookup_dcookie", "vhangup", "nfsservctl", "_sysctl", "uselib", "vm86", "vm86old",
    "sethostname", "setdomainname", "move_pages", "migrate_pages", "fanotify_init",
)  # fmt: skip
# Ways for one run to tell another something: shared memory and queues, locks and watches on files that both can read, their metadata.
_REFUSED_TO_RUNS = (
    "shmget", "shmat", "shmctl", "shmdt", "semget", "semop", "semtimedop", "semctl", "msgget", "msgsnd", "msgrcv", "msgctl",
    "mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr",
    "flock", "inotify_init", "inotify_init1", "inotify_add_watch", "fanotify_mark",
    "chown", "lchown", "fchown", "fchownat", "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr",
    "removexattrat", "file_setattr", "setpriority", "ioprio_set", "pidfd_open", "pidfd_send_signal",
)  # fmt: skip
# Refused, but said to have worked: programs that copy a file set its mode and times, and do not need them.
_IGNORED_IN_RUNS = ("chmod", "fchmod", "fchmodat", "fchmodat2", "utime", "utimes", "futimesat", "utimensat")
# Unless one of these can be refused there is no filter; others may be missing in an architecture's table of calls.
_IN_EVERY_TABLE = ("socket", "socketpair", "clone", "clone3", "ptrace", "unshare", "setns", "mount", "io_uring_setup", "fcntl", "flock")
# Newer than many a library that builds the filter; these numbers are the same on every architecture.
_NUMBERS = {"fchmodat2": 452, "setxattrat": 463, "removexattrat": 466, "open_tree_attr": 467, "file_setattr": 469}


def forbid_new_privileges() -> None:
    """No set-user-id program gives rights back. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"no_new_privs: {os.strerror(code)}")


def prepare(tight: bool) -> Callable[[], None]:
    """Builds the filter; calling the result loads it. `tight`: for one run of a solution. Raises ImportError, OSError or RuntimeError."""
    lib = _import_library()
    calls = lib.SyscallFilter(lib.ALLOW)
    not_permitted = lib.ERRNO(errno.EPERM)

    def refuse(action: int, name: str, *conditions: object) -> None:
        try:
            calls.add_rule(action, name, *conditions)
        except (ValueError, OSError) as error:
            if name in _NUMBERS:
                calls.add_rule(action, _NUMBERS[name], *conditions)
            elif name in _IN_EVERY_TABLE:
                raise RuntimeError(f"{name} cannot be refused: {error}") from error

    no_family = lib.ERRNO(errno.EAFNOSUPPORT)
    not_unix = lib.Arg(0, lib.NE, int(socket.AF_UNIX))
    refuse(no_family, "socket", *(() if tight else (not_unix,)))
    refuse(no_family, "socketpair", not_unix)
    # Its flags lie in memory, where a filter cannot look; the C library falls back to clone.
    refuse(lib.ERRNO(errno.ENOSYS), "clone3")
    for flag in _CLONE_NAMESPACES:
        refuse(not_permitted, "clone", lib.Arg(0, lib.MASKED_EQ, flag, flag))
    for name in (*_REFUSED, *(_REFUSED_TO_RUNS if tight else ())):
        refuse(not_permitted, name)
    if tight:
        refuse(not_permitted, "prlimit64", lib.Arg(0, lib.NE, 0))
        for command in _LOCK_COMMANDS:
            refuse(not_permitted, "fcntl", lib.Arg(1, lib.EQ, command))
        for name in _IGNORED_IN_RUNS:
            refuse(lib.ERRNO(0), name)
    return lambda: _load(calls)


def _load(calls: object) -> None:
    try:
        calls.load()  # type: ignore[attr-defined]
    finally:
        # The kernel has its copy.
        del calls


def _import_library():
    """pyseccomp asks a compiler or ldconfig where the libraries are: neither is in a small image. Their names are enough."""
    names = {"c": "libc.so.6", "seccomp": "libseccomp.so.2"}
    real = ctypes.util.find_library
    ctypes.util.find_library = lambda name: names.get(name) or real(name)
    try:
        import pyseccomp
    finally:
        ctypes.util.find_library = real
    return pyseccomp
