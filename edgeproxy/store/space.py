"""How full the disk may get before events are refused.

A full disk stops deletes and checkpoints too, so delivery could no longer make room. Events are
refused early, the least valuable first; bookkeeping may use the reserve, frees space by
delivering, and events are taken again.
"""

import os
from enum import IntEnum
from pathlib import Path

import msgspec

_MIB = 1024 * 1024

MAX_BYTES = 4096 * _MIB
"""What a database may hold when nothing else is set."""

RESERVE_MIN_BYTES = 64 * _MIB
"""Four times what the write-ahead log is cut to."""

RESERVE_LEAST_BYTES = 8 * _MIB
"""With less, what one batch of bookkeeping writes may not fit, and delivery stands still."""

_PERCENT_FOR_EVENTS = 97
"""Events may fill the database so far; bookkeeping needs a few pages more to make room again."""


class Level(IntEnum):
    """How full it is, from good to bad."""

    PLENTY = 0
    WARN = 70
    SCARCE = 85
    """Views of pages and products are refused."""
    FULL = 95
    """Every event is refused."""


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may say about the room for a store.

    Attributes:
        max_bytes: How large the database may grow; worked out from the volume when None.
        reserve_bytes: How much of the volume stays free; worked out likewise.
        low_value: Labels of entries that are refused first.
    """

    max_bytes: int | None = None
    reserve_bytes: int | None = None
    low_value: frozenset[str] = frozenset()


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of one store.

    Attributes:
        max_bytes: How large the database may grow.
        reserve_bytes: How much of the volume stays free.
    """

    max_bytes: int
    reserve_bytes: int

    @property
    def for_events_bytes(self) -> int:
        """How much of it events may fill."""
        return self.max_bytes * _PERCENT_FOR_EVENTS // 100


def limits(folder: Path, used_bytes: int, wishes: Wishes) -> Limits:
    """What is wished, or what suits the volume.

    That is half of what is free, 4 GiB at most, and a tenth of it all in reserve, 64 to 256 MiB.
    """
    volume = os.statvfs(folder)
    free_bytes = volume.f_bavail * volume.f_frsize
    max_bytes, reserve_bytes = wishes.max_bytes, wishes.reserve_bytes
    if max_bytes is None:
        max_bytes = min(MAX_BYTES, used_bytes + free_bytes // 2)
    if reserve_bytes is None:
        tenth_bytes = volume.f_blocks * volume.f_frsize // 10
        reserve_bytes = max(RESERVE_MIN_BYTES, min(4 * RESERVE_MIN_BYTES, tenth_bytes))
    return Limits(max_bytes=max_bytes, reserve_bytes=reserve_bytes)


def level(bounds: Limits, file: Path, used_bytes: int, spare_bytes: int = 0) -> Level:
    """How full a store is.

    Args:
        bounds: Its limits.
        file: Its database.
        used_bytes: How much of the database holds something.
        spare_bytes: How much of it is free; that needs no more of the volume.

    Raises:
        FileNotFoundError: The database was deleted; SQLite would go on writing to nowhere.
    """
    volume = os.statvfs(file)
    if volume.f_bavail * volume.f_frsize + spare_bytes < bounds.reserve_bytes:
        return Level.FULL
    percent = used_bytes * 100 // bounds.max_bytes
    return max((one for one in Level if one <= percent), default=Level.PLENTY)
