"""How full the disk may get before events are refused.

A full disk stops deletes and checkpoints too, so delivery could no longer make room. Events are
refused early; bookkeeping may use the reserve, frees space by delivering, and events are taken
again.
"""

import os
from pathlib import Path

import msgspec

_MIB = 1024 * 1024


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of one store.

    Attributes:
        max_bytes: How much of the database may be in use.
        reserve_bytes: How much of the volume stays free.
    """

    max_bytes: int
    reserve_bytes: int


def default_limits(folder: Path, used_bytes: int) -> Limits:
    """Half of what is free, 4 GiB at most; a tenth of the volume in reserve, 64 to 256 MiB."""
    volume = os.statvfs(folder)
    free_bytes = volume.f_bavail * volume.f_frsize
    return Limits(
        max_bytes=min(4096 * _MIB, used_bytes + free_bytes // 2),
        reserve_bytes=max(64 * _MIB, min(256 * _MIB, volume.f_blocks * volume.f_frsize // 10)),
    )


def has_room(limits: Limits, file: Path, used_bytes: int) -> bool:
    """Whether events may be taken now.

    Raises:
        FileNotFoundError: The database was deleted; SQLite would go on writing to nowhere.
    """
    volume = os.statvfs(file)
    free_bytes = volume.f_bavail * volume.f_frsize
    return used_bytes < limits.max_bytes and free_bytes >= limits.reserve_bytes
