"""Locks between the processes that share one database file; the kernel frees them on death.

Neither SQLite's busy handler nor `flock` is fair: one process that commits back to back starves
the others. Here one queues at a turnstile first and holds it until the lock is free: the process
that just wrote finds the turnstile shut and waits its turn.

A lock belongs to the file as it was opened: a process that forks shares its locks with the child,
so each process opens its own, after the fork.
"""

import fcntl
import os
import time
from pathlib import Path

_RETRY_S = 0.000_2


class FileLock:
    """One holder at a time, fair enough for a busy writer.

    Two small files beside the database; the database itself is never opened by us.

    Args:
        path: The lock file; the turnstile is the same name with ".turn".

    Raises:
        OSError: They cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._lock = _open(path)
        self._turn = _open(path.with_name(path.name + ".turn"))

    def acquire(self, timeout_s: float) -> bool:
        """Wait for the lock, at most `timeout_s`; return whether it is held now."""
        deadline_s = time.monotonic() + timeout_s
        if not _take(self._turn, deadline_s):
            return False
        try:
            return _take(self._lock, deadline_s)
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def try_acquire(self) -> bool:
        """Take the lock if nobody holds it or waits for it; return whether it is held now."""
        return self.acquire(0)

    def release(self) -> None:
        """Let the next one in. Nothing happens when it is not held."""
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give up the files; they stay on disk, for another process may hold them."""
        os.close(self._turn)
        os.close(self._lock)


class Presence:
    """Says that a process uses something, for as long as it lives or until it says otherwise.

    Args:
        path: A small file, shared by all who use the same thing.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._file = _open(path)
        self._closed = False

    def alone(self) -> bool:
        """Whether no other process is there; from now on this one is.

        The caller sees to it that only one process asks at a time.
        """
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            fcntl.flock(self._file, fcntl.LOCK_SH)
        return True

    def close(self) -> None:
        """Be gone. Idempotent."""
        if not self._closed:
            self._closed = True
            os.close(self._file)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _take(descriptor: int, deadline_s: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline_s:
                return False
            time.sleep(_RETRY_S)
        else:
            return True
