"""Locks for thread pools where named semaphores are closed."""

import _multiprocessing
import os
import threading
import time

_REFUSAL = "locks between processes are closed here: use threads"


class ThreadSemLock:
    """The interface of `_multiprocessing.SemLock`, between the threads of one process. Raises OSError in another process."""

    SEM_VALUE_MAX = 2**31 - 1

    def __init__(self, kind, value, maxvalue, name=None, unlink=True):
        self.kind, self.maxvalue, self.name = kind, maxvalue, name
        self._value = value
        self._owner = None
        self._held = 0
        self._changed = threading.Condition(threading.Lock())
        self._process = os.getpid()

    @property
    def handle(self):
        return id(self)

    @classmethod
    def _rebuild(cls, *_state):
        raise OSError(_REFUSAL)

    def acquire(self, block=True, timeout=None):
        self._check()
        me, is_recursive = threading.get_ident(), self.kind == 0
        until = None if timeout is None else time.monotonic() + max(0.0, timeout)
        with self._changed:
            while not (is_recursive and self._owner == me):
                if self._value > 0:
                    self._value -= 1
                    break
                left = None if until is None else until - time.monotonic()
                if not block or (left is not None and left <= 0):
                    return False
                self._changed.wait(left)
            self._owner = me
            self._held += 1
        return True

    def release(self):
        self._check()
        with self._changed:
            if self.kind == 0:
                if self._owner != threading.get_ident():
                    raise AssertionError("attempt to release recursive lock not owned by thread")
                self._held -= 1
                if self._held > 0:
                    return
                self._owner = None
            else:
                if self._value >= self.maxvalue:
                    raise ValueError("semaphore or lock released too many times")
                self._held = max(0, self._held - 1)
            self._value += 1
            self._changed.notify()

    def _count(self):
        return self._held

    def _is_mine(self):
        return self._held > 0 and self._owner == threading.get_ident()

    def _get_value(self):
        return self._value

    def _is_zero(self):
        return self._value == 0

    def _after_fork(self):
        """Nothing: `_check` sees the other process."""

    def _check(self):
        if os.getpid() != self._process:
            raise OSError(_REFUSAL)

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *_):
        self.release()


def install():
    """Thread pools get these locks. Pools of processes, which would wait for them for ever, are refused at their start."""
    from multiprocessing.process import BaseProcess

    def refuse(_process):
        raise OSError(_REFUSAL)

    _multiprocessing.SemLock = ThreadSemLock
    _multiprocessing.sem_unlink = lambda _name: None
    BaseProcess.start = refuse
