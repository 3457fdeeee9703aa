"""python -I start.py program [arguments]: the program as `__main__`, where named semaphores are closed.

POSIX semaphores lie in /dev/shm, which all runs share, so runs cannot have them. Thread pools (joblib's, and with it scikit-learn's
`n_jobs`) ask for them all the same, for locks that never leave the process: they get such locks here.
"""

import builtins
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  (pathlib is not loaded yet, and need not be)
from thread_semaphores import install

sys.path.pop(0)


def start(program, names):
    """Becomes the program: `__main__`, sys.argv and sys.path as with a plain start."""
    with open(program, "rb") as stream:  # noqa: PTH123  (pathlib is not loaded yet, and need not be)
        code = compile(stream.read(), program, "exec")
    system, plain = sys, builtins
    names.clear()
    names.update(__name__="__main__", __file__=program, __builtins__=plain, __doc__=None, __package__=None, __spec__=None, __loader__=None)
    names.update(__cached__=None, __annotations__={})
    system.argv = system.argv[1:]
    exec(code, names)


if __name__ == "__main__":
    install()
    start(sys.argv[1], globals())
