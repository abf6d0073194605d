"""A disk whose level is what the test says."""

from pathlib import Path

import apsw

from edgeproxy.store.space import Level, Limits
from edgeproxy.store.sqlite.room import Room


class FixedRoom(Room):
    """Plenty of room, until `now` or `over` is set."""

    def __init__(self) -> None:
        limits = Limits(max_bytes=2**40, reserve_bytes=0)
        super().__init__(Path("/"), limits, low_value=frozenset({"PAGE_VIEW"}))
        self.now = Level.PLENTY
        self.over = False

    def level(self, db: apsw.Connection) -> Level:
        return self.now

    def overrun(self, db: apsw.Connection) -> bool:
        return self.over
