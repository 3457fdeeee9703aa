"""Looks for secrets everywhere that one can be."""

ALLOWED = {"HOME", "LANG", "LC_CTYPE", "MKL_NUM_THREADS", "OLDPWD", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PWD", "SHLVL", "TMPDIR", "_"}


def own_environment():
    more = {k: v for k, v in os.environ.items() if k not in ALLOWED | {"PYTHONDONTWRITEBYTECODE"}}
    if not more:
        raise FileNotFoundError(errno.ENOENT, "only what a run needs")
    return more


def scan(file):
    found = {}
    mine = os.getpid()
    for pid in (*range(1, 3), *range(max(3, GIVEN["pid"] - 50), GIVEN["pid"] + 400)):
        try:
            text = Path("/proc", str(pid), file).read_bytes()
        except OSError:
            continue
        # In a namespace of its own its number is small: its own family is no secret.
        if text and pid != mine and GIVEN["prefix"].encode() in text:
            found[pid] = text[-200:]
    if not found:
        raise FileNotFoundError(errno.EACCES, "none can be read")
    return found


def descriptors():
    found = [n for n in range(3, 1024) if os.path.exists(f"/proc/self/fd/{n}")]
    if not found:
        raise OSError(errno.EBADF, "none is open")
    return found


attempt("its environment", own_environment)
attempt("environments of processes", lambda: scan("environ"))
attempt("arguments of processes", lambda: scan("cmdline"))
attempt("environment of process 1", lambda: Path("/proc/1/environ").read_bytes()[:200])
attempt("memory of the agent", lambda: Path(f"/proc/{GIVEN['pid']}/mem").open("rb").read(1))
attempt("folders of the agent through /proc", lambda: os.listdir(f"/proc/{GIVEN['pid']}/cwd"))
attempt("descriptors that were left open", descriptors)
for kind, path in GIVEN["secrets"].items():
    attempt(f"secret {kind}", lambda p=path: Path(p).read_text())
for path in ("/etc/passwd", "/etc/shadow", "/etc/hostname", "/etc/resolv.conf"):
    attempt(f"read {path}", lambda p=path: Path(p).read_text()[:200])
for path in ("/var/run/secrets/kubernetes.io/serviceaccount/token", str(Path(GIVEN["home"], ".ssh")), str(Path(GIVEN["home"], ".kube"))):
    attempt(f"read {Path(path).name} of {'the pod' if 'secrets' in path else 'the user'}", lambda p=path: os.listdir(p) if Path(p).is_dir() else Path(p).read_text())
attempt("list the user's folder", lambda: os.listdir(GIVEN["home"]) or 1)
attempt("read the project", lambda: Path(GIVEN["project"], "package.json").read_text()[:100])
attempt("list the runs", lambda: [n for n in os.listdir(Path(GIVEN["secrets"]["of another run"]).parent)])
