"""A lock between the processes that share one database file, fair enough for a busy writer.

Neither SQLite's busy handler nor `flock` is fair: one process that commits back to back starves
the others. Here one queues at a turnstile first and holds it until the lock is free: the process
that just wrote finds the turnstile shut and waits its turn. The kernel frees both on death.
"""

import fcntl
import os
import time
from pathlib import Path

_RETRY_S = 0.000_2


class FileLock:
    """Two small files beside the database; the database itself is never opened by us.

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

    def release(self) -> None:
        """Let the next one in."""
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give up the files; they stay on disk, for another process may hold them."""
        os.close(self._turn)
        os.close(self._lock)


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
