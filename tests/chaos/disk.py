"""A disk that can be full, for SQLite in this process, without being root.

SQLite lets its system calls be replaced: a write that would let a file grow beyond the capacity
fails with ENOSPC, as on a real volume. Runs in the proxy under test, never in the harness.
"""

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw

from edgeproxy.store import space
from tests.chaos.control import Control

_PWRITE = ctypes.CFUNCTYPE(
    ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64, use_errno=True
)
_BLOCK = 4096
_kept: list[object] = []
"""SQLite holds the bare address of the function: it must not be collected."""


def used_bytes(folder: Path) -> int:
    """What the files in a folder take."""
    sizes = 0
    for path in folder.iterdir():
        try:
            sizes += path.stat().st_size
        except FileNotFoundError:
            continue  # SQLite removes files of its own
    return sizes


def limit(folder: Path, control: Control) -> None:
    """Let the files in a folder grow only as far as `control` allows, and say so to who asks."""
    vfs = apsw.VFS("chaos", base="unix")
    address = vfs.xGetSystemCall("pwrite64")
    if address is None:
        raise RuntimeError("SQLite does not write with pwrite64 here")
    real = _PWRITE(address)

    def pwrite(descriptor: int, data: int, size: int, offset: int) -> int:
        growth = offset + size - os.fstat(descriptor).st_size
        if growth > 0 and 0 < control.capacity_bytes < used_bytes(folder) + growth:
            ctypes.set_errno(errno.ENOSPC)
            return -1
        written: int = real(descriptor, data, size, offset)
        return written

    callback = _PWRITE(pwrite)
    _kept.extend([vfs, callback])
    ours = ctypes.cast(callback, ctypes.c_void_p).value
    if ours is None or not vfs.xSetSystemCall("pwrite64", ours):
        raise RuntimeError("SQLite does not let its writes be replaced")
    space.__dict__["os"] = SimpleNamespace(statvfs=_statvfs(folder, control))


def _statvfs(folder: Path, control: Control) -> Callable[[Path], Any]:
    def statvfs(path: Path) -> object:
        if not control.capacity_bytes:
            return os.statvfs(path)
        free = max(0, control.capacity_bytes - used_bytes(folder))
        return SimpleNamespace(
            f_frsize=_BLOCK,
            f_blocks=control.capacity_bytes // _BLOCK,
            f_bavail=free // _BLOCK,
            f_bfree=free // _BLOCK,
        )

    return statvfs
