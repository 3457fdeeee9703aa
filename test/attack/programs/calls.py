"""System calls that nobody needs for a model."""

import resource


def raise_limits():
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most + 1, most + 1))


attempt("trace the agent", lambda: call("ptrace", 16, GIVEN["pid"], 0, 0))
attempt("user namespace", lambda: call("unshare", 0x10000000))
attempt("network namespace", lambda: call("unshare", 0x40000000))
attempt("join a namespace", lambda: call("setns", 0, 0x40000000))
attempt("mount", lambda: call("mount", 0, 0, 0, 0, 0))
attempt("unmount", lambda: call("umount2", 0, 0))
attempt("bpf", lambda: call("bpf", 0, 0, 0))
attempt("keyrings", lambda: call("keyctl", 0, -3, 0))
attempt("add a key", lambda: call("add_key", 0, 0, 0, 0, 0))
attempt("io_uring", lambda: call("io_uring_setup", 1, 0))
attempt("change root", lambda: os.chroot(OUT))
attempt("pivot root", lambda: call("pivot_root", 0, 0))
attempt("performance counters", lambda: call("perf_event_open", 0, 0, -1, -1, 0))
attempt("page faults of others", lambda: call("userfaultfd", 0))
attempt("memory of others", lambda: call("process_vm_readv", GIVEN["pid"], 0, 0, 0, 0, 0))
attempt("another kernel", lambda: call("kexec_load", 0, 0, 0, 0))
attempt("files by handle", lambda: call("open_by_handle_at", 0, 0, 0))
attempt("a descriptor of another process", lambda: call("pidfd_open", GIVEN["pid"], 0))
attempt("a control group", lambda: Path("/sys/fs/cgroup/cgroup.procs").open("a").write("0"))
attempt("a kernel setting", lambda: Path("/proc/sys/kernel/core_pattern").open("a").close())
attempt("a device", lambda: os.mknod(OUT / "device", 0o020666, os.makedev(1, 1)))
attempt("take rights of a group", lambda: os.setgroups([1]))
attempt("raise its own limits", lambda: raise_limits())
attempt("signal the agent", lambda: os.kill(GIVEN["pid"], 0))


def new_privileges():
    if "NoNewPrivs:\t1" in Path("/proc/self/status").read_text():
        raise PermissionError(errno.EPERM, "closed for ever")


attempt("rights through a set-user-id program", new_privileges)
