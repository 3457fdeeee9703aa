"""Tries what a program must not be able to do, and writes what happened to each try: "refused: …", "absent: …" or "OPEN: …"."""

import ctypes
import errno
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

OUT = Path(sys.argv[sys.argv.index("--out") + 1])
GIVEN = json.loads(Path(sys.argv[sys.argv.index("--params") + 1]).read_text())
LIBC = ctypes.CDLL(None, use_errno=True)
FOUND = {}
NUMBERS = {
    "x86_64": {"ptrace": 101, "unshare": 272, "mount": 165, "umount2": 166, "bpf": 321, "keyctl": 250, "add_key": 248, "request_key": 249,
               "io_uring_setup": 425, "chroot": 161, "pivot_root": 155, "setns": 308, "perf_event_open": 298, "userfaultfd": 323,
               "process_vm_readv": 310, "process_vm_writev": 311, "kexec_load": 246, "shmget": 29, "msgget": 68, "semget": 64,
               "mq_open": 240, "flock": 73, "inotify_init1": 294, "open_by_handle_at": 304, "clone_new_user": 56},
    "aarch64": {"ptrace": 117, "unshare": 97, "mount": 40, "umount2": 39, "bpf": 280, "keyctl": 219, "add_key": 217, "request_key": 218,
                "io_uring_setup": 425, "chroot": 51, "pivot_root": 41, "setns": 268, "perf_event_open": 241, "userfaultfd": 282,
                "process_vm_readv": 270, "process_vm_writev": 271, "kexec_load": 104, "shmget": 194, "msgget": 186, "semget": 190,
                "mq_open": 180, "flock": 32, "inotify_init1": 26, "open_by_handle_at": 265, "clone_new_user": 220},
}[os.uname().machine]  # fmt: skip


def attempt(name, action):
    try:
        result = action()
        FOUND[name] = f"OPEN: {str(result)[:200]}"
    except OSError as error:
        kind = "absent" if error.errno in (errno.ENOENT, errno.ENOTDIR) else "refused"
        FOUND[name] = f"{kind}: {errno.errorcode.get(error.errno, error.errno)}"


def call(name, *arguments):
    def run():
        result = LIBC.syscall(ctypes.c_long(NUMBERS[name]), *[ctypes.c_long(a) for a in arguments])
        if result < 0:
            raise OSError(ctypes.get_errno(), name)
        # What was made is taken away again: it would outlive the test.
        remove = {"shmget": "shmctl", "msgget": "msgctl", "semget": "semctl"}.get(name)
        if remove is not None:
            getattr(LIBC, remove)(ctypes.c_int(result), *([0] if remove == "semctl" else []), 0, None)
        return result

    attempt(name, run)


def open_socket(family, kind, target=None):
    def run():
        with socket.socket(family, kind) as made:
            made.settimeout(2)
            if target is not None:
                made.connect(target)
            return "made"

    return run


def read(path):
    return lambda: Path(path).read_bytes()[:100]


def write(path):
    def run():
        Path(path).write_bytes(b"x")
        Path(path).unlink()

    return run


# 11: environment, other processes, descriptors
FOUND["environment"] = sorted(os.environ)
canaries = []
# Numbers, not a listing: that is refused.
for name in range(1, int(Path("/proc/self/stat").read_text().split()[0]) + 200):
    if name == os.getpid():
        continue
    for file in ("environ", "cmdline"):
        try:
            text = Path("/proc", str(name), file).read_bytes()
        except OSError:
            continue
        canaries += [f"{name}/{file}"] if text else []
FOUND["other processes read"] = canaries[:20]
attempt("list /proc", lambda: os.listdir("/proc"))
attempt("/proc/1/environ", read("/proc/1/environ"))
attempt("/proc/1/cmdline", read("/proc/1/cmdline"))
FOUND["descriptors"] = [number for number in range(3, 1024) if Path(f"/proc/self/fd/{number}").exists()]
# 12: files outside the list
for path in GIVEN["secrets"]:
    attempt(f"read {path}", read(path))
for path in ("/etc/passwd", "/etc/shadow", "/root/.bashrc", "/tmp", "/var/run/secrets/kubernetes.io/serviceaccount/token"):
    attempt(f"read {path}", (lambda p: lambda: os.listdir(p))(path) if path == "/tmp" else read(path))
for path in (
    *GIVEN["untouchables"],
    "/dev/shm/kaggle-agent-probe",
    "/tmp/kaggle-agent-probe",
    __file__,
    sys.argv[sys.argv.index("--train") + 1] + "/x",
):
    attempt(f"write {path}", write(path))
# 13, 21: sockets
attempt("TCP", open_socket(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 9)))
attempt("UDP", open_socket(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 53)))
attempt("TCP6", open_socket(socket.AF_INET6, socket.SOCK_STREAM, ("::1", 9)))
attempt("RAW", open_socket(socket.AF_INET, socket.SOCK_RAW))
attempt("PACKET", open_socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt("NETLINK", open_socket(socket.AF_NETLINK, socket.SOCK_RAW))
attempt("VSOCK", open_socket(40, socket.SOCK_STREAM))
attempt("ALG", open_socket(38, socket.SOCK_SEQPACKET))
attempt("UNIX", open_socket(socket.AF_UNIX, socket.SOCK_STREAM, GIVEN["socket"]))
attempt("UNIX abstract", open_socket(socket.AF_UNIX, socket.SOCK_STREAM, "\0kaggle-agent-probe"))
attempt("metadata server", open_socket(socket.AF_INET, socket.SOCK_STREAM, ("169.254.169.254", 80)))
attempt("name server", lambda: socket.getaddrinfo("kubernetes.default.svc", 443))
FOUND["socketpair"] = "made" if socket.socketpair() else ""
# 16: system calls
call("ptrace", 16, os.getppid(), 0, 0)
call("unshare", 0x10000000)
call("clone_new_user", 0x10000000 | 17, 0, 0, 0, 0)
call("mount", 0, 0, 0, 0, 0)
call("umount2", 0, 0)
call("bpf", 0, 0, 0)
call("keyctl", 0, -3, 0)
call("add_key", 0, 0, 0, 0, 0)
call("request_key", 0, 0, 0, 0)
call("io_uring_setup", 1, 0)
call("chroot", 0)
call("pivot_root", 0, 0)
call("setns", 0, 0)
call("perf_event_open", 0, 0, -1, -1, 0)
call("userfaultfd", 0)
call("process_vm_readv", os.getppid(), 0, 0, 0, 0, 0)
call("process_vm_writev", os.getppid(), 0, 0, 0, 0, 0)
call("kexec_load", 0, 0, 0, 0)
call("open_by_handle_at", 0, 0, 0)
call("shmget", 0, 4096, 0o1600)
call("msgget", 0, 0o1600)
call("semget", 0, 1, 0o1600)
call("mq_open", 0, 0, 0, 0)
call("inotify_init1", 0)
call("flock", 1, 2)
attempt("signal the parent", lambda: os.kill(os.getppid(), 0))
attempt("signal process 1", lambda: os.kill(1, 0))
attempt("write to a control group", write("/sys/fs/cgroup/cgroup.procs"))
attempt(
    "a set-user-id program",
    lambda: FOUND.update(suid=subprocess.run(["/bin/su", "-c", "id"], capture_output=True, timeout=5).returncode) or "ran",
)
FOUND["no new privileges"] = "NoNewPrivs:\t1" in Path("/proc/self/status").read_text()
# 15: a daemon in a session of its own that ignores TERM
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(writer, str(os.getpid()).encode())
        os.close(writer)
        os.close(1)
        os.close(2)
        time.sleep(300)
    os._exit(0)
os.wait()
FOUND["daemon"] = int(os.read(reader, 20))
(OUT / "probe.json").write_text(json.dumps(FOUND))
