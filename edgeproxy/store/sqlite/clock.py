"""What a SQLite store does about a clock that was set back: nothing may wait for the old time.

Every time in the store is the wall clock's. After a step back by an hour, what was due in a second
would be due in an hour; so the writer compares each time with the last one, and the first of a
life with the one that the store keeps.
"""

import apsw

_STEP_MS = 1000
"""A clock that goes back further was set, not just corrected."""

_NOTE_MS = 10_000
"""How often the time is noted, and so how long a step before a restart may go unnoticed."""

_HOLD_MS = 120_000
"""A lease by the old clock goes on so long: whoever has it renews it well before."""

_LATEST = "SELECT value FROM meta WHERE name = 'checked'"
_NOTE = """
INSERT INTO meta (name, value) VALUES ('checked', ?)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
_DUE_NOW = """
UPDATE outbox SET due = ?1 WHERE lease IS NULL AND due > ?1
"""
# Leased rows come back as they are when whoever has them is gone.
_LEASED_TOO = """
UPDATE outbox INDEXED BY outbox_leased
SET due = min(due, ?1), lease_until = min(lease_until, ?1 + ?2) WHERE lease IS NOT NULL
"""
_PROBE_SOONER = """
UPDATE gate SET probe_at = min(probe_at, ?1 + CAST(backoff_s * 1000 AS INTEGER))
"""


class Clock:
    """The latest time at which this process wrote, or, before its first write, any process."""

    def __init__(self) -> None:
        self._latest_ms: int | None = None
        self._noted_ms = 0

    def tick(self, db: apsw.Connection, now_ms: int) -> None:
        """At the beginning of each transaction: heal what a step back would stop."""
        if self._latest_ms is None:
            self._latest_ms = int(db.execute(_LATEST).get or 0)
        if now_ms < self._latest_ms - _STEP_MS:
            db.execute(_DUE_NOW, (now_ms,))
            db.execute(_LEASED_TOO, (now_ms, _HOLD_MS))
            db.execute(_PROBE_SOONER, (now_ms,))
        if self._is_to_note(now_ms):
            note(db, now_ms)

    def passed(self, now_ms: int) -> None:
        """What `tick` did is committed."""
        if self._is_to_note(now_ms):
            self._noted_ms = now_ms
        self._latest_ms = now_ms

    def _is_to_note(self, now_ms: int) -> bool:
        return not self._noted_ms - _STEP_MS <= now_ms < self._noted_ms + _NOTE_MS


def note(db: apsw.Connection, now_ms: int) -> None:
    """Keep the time for the next life."""
    db.execute(_NOTE, (str(now_ms),))
