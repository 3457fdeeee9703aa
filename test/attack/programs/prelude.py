"""Put before every attack: what it was given, and `attempt`, which writes what became of a try."""

import ctypes
import errno
import json
import os
import socket
import sys
import time
from pathlib import Path

OUT = Path(sys.argv[sys.argv.index("--out") + 1])
TRAIN = Path(sys.argv[sys.argv.index("--train") + 1])
PREDICT = Path(sys.argv[sys.argv.index("--predict") + 1])
PARAMS = Path(sys.argv[sys.argv.index("--params") + 1])
GIVEN = json.loads(PARAMS.read_text())
LIBC = ctypes.CDLL(None, use_errno=True)
TRIES = []


def attempt(name, action):
    """One try. It got through unless it raised; what it returns is printed, so that a stolen secret shows."""
    start = time.perf_counter()
    try:
        found, through = action(), True
        print(name, repr(found)[:2000])
        result = "OPEN"
    except OSError as error:
        result, through = errno.errorcode.get(error.errno or 0, str(error.errno)), False
    except Exception as error:
        result, through = type(error).__name__, False
    TRIES.append({"name": name, "through": through, "result": result, "ms": (time.perf_counter() - start) * 1000})
    (OUT / "tries.json").write_text(json.dumps(TRIES))


def call(name, *arguments):
    """A system call by name. One whose arguments were judged was not refused."""
    number = NUMBERS[os.uname().machine][name]
    result = LIBC.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])
    code = ctypes.get_errno()
    if result < 0 and code not in (errno.EFAULT, errno.EINVAL):
        raise OSError(code, name)
    return result


def write(path):
    Path(path).write_bytes(b"attack")
    Path(path).unlink()


NUMBERS = {
    "x86_64": {"ptrace": 101, "unshare": 272, "clone": 56, "mount": 165, "umount2": 166, "bpf": 321, "keyctl": 250, "add_key": 248,
               "io_uring_setup": 425, "pivot_root": 155, "setns": 308, "perf_event_open": 298, "userfaultfd": 323,
               "process_vm_readv": 310, "kexec_load": 246, "open_by_handle_at": 304, "shmget": 29, "msgget": 68, "semget": 64, "mq_open": 240,
               "inotify_init1": 294, "pidfd_open": 434, "memfd_secret": 447},
    "aarch64": {"ptrace": 117, "unshare": 97, "clone": 220, "mount": 40, "umount2": 39, "bpf": 280, "keyctl": 219, "add_key": 217,
                "io_uring_setup": 425, "pivot_root": 41, "setns": 268, "perf_event_open": 241, "userfaultfd": 282,
                "process_vm_readv": 270, "kexec_load": 104, "open_by_handle_at": 265, "shmget": 194, "msgget": 186, "semget": 190, "mq_open": 180,
                "inotify_init1": 26, "pidfd_open": 434, "memfd_secret": 447},
}  # fmt: skip
