"""Whether a SQLite store takes more events: asked by the writer inside each transaction."""

import time
from collections.abc import Iterable
from pathlib import Path

import apsw

from edgeproxy.store.base import Item
from edgeproxy.store.space import Level, Limits, level

ROOM_S = 0.1
"""How long an answer about the disk holds: a few MB of events at full speed."""


_BOOKKEEPING_PAGES = 256
"""Room for bookkeeping in a database that is larger than it may be by now."""


class Room:
    """The bounds of one store, and how near they are.

    Args:
        path: The database.
        limits: Its bounds.
        low_value: Labels of entries that are refused first.
    """

    def __init__(
        self, path: Path, limits: Limits, *, low_value: frozenset[str] = frozenset()
    ) -> None:
        self.limits = limits
        self._path = path
        self._low_value = low_value
        self._level = Level.PLENTY
        self._asked_s = -ROOM_S

    def bound(self, db: apsw.Connection) -> None:
        """Let the database grow no further than its limit, whoever writes to this connection."""
        pages = self.limits.max_bytes // int(db.pragma("page_size"))
        db.pragma("max_page_count", max(pages, int(db.pragma("page_count")) + _BOOKKEEPING_PAGES))

    def level(self, db: apsw.Connection) -> Level:
        """How full it is; at most `ROOM_S` old.

        Raises:
            FileNotFoundError: The database was deleted.
        """
        asked_s = time.monotonic()
        if asked_s >= self._asked_s + ROOM_S:
            self._asked_s = asked_s
            used, spare = _bytes(db)
            self._level = level(self.limits, self._path, used, spare)
        return self._level

    def admits(self, level: Level, items: Iterable[Item]) -> bool:
        """Whether one caller's items are taken at this level: all of them, or none."""
        if level < Level.SCARCE:
            return True
        names = {entry.name for item in items for entry in item.entries}
        return level < Level.FULL and not (names and names <= self._low_value)

    def overrun(self, db: apsw.Connection) -> bool:
        """Whether what this transaction wrote leaves too little for bookkeeping."""
        return _bytes(db)[0] > self.limits.for_events_bytes


def used_bytes(db: apsw.Connection) -> int:
    """How much of a database holds something."""
    return _bytes(db)[0]


def _bytes(db: apsw.Connection) -> tuple[int, int]:
    pages, free, size = (db.pragma(name) for name in ("page_count", "freelist_count", "page_size"))
    return int((pages - free) * size), int(free * size)
