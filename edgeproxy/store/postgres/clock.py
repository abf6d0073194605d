"""What a PostgreSQL store does about a clock that was set back: nothing may wait for the old time.

The clock is the database's. It goes back when somebody sets it, and when a standby takes over
whose clock is behind. Each node compares each time with its last one, and the first of its life
with the one that the database keeps.
"""

import threading

from edgeproxy.store.postgres.transaction import Tx

_STEP_MS = 1000
"""A clock that goes back further was set, not just corrected."""

_NOTE_MS = 10_000
"""How often the time is noted, and so how long a step before a restart may go unnoticed."""

_HOLD_MS = 120_000
"""A lease by the old clock goes on so long: whoever has it renews it well before."""

_LATEST = "SELECT value FROM meta WHERE name = 'checked'"
# All nodes share the note: who finds another one at it leaves it to that one, and never waits.
_NOTE = """
WITH free AS (SELECT name FROM meta WHERE name = 'checked' FOR UPDATE SKIP LOCKED)
UPDATE meta AS m SET value = %s FROM free WHERE m.name = free.name
"""
_DUE_NOW = "UPDATE outbox SET due = %(now)s WHERE lease IS NULL AND due > %(now)s"
# Leased rows come back as they are when whoever has them is gone.
_LEASED_TOO = """
UPDATE outbox SET due = least(due, %(now)s), lease_until = least(lease_until, %(hold)s)
WHERE lease IS NOT NULL
"""
_PROBE_SOONER = """
UPDATE gate SET probe_at = least(probe_at, %s + trunc(backoff_s * 1000)::bigint)
WHERE probe_at IS NOT NULL
"""


class Clock:
    """The latest time at which this store wrote, over all its threads; see `Ticking`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest_ms: int | None = None
        self._noted_ms = 0

    def tick(self, tx: Tx, now_ms: int) -> None:
        """See `Ticking.tick`: heal what a step back would stop."""
        with self._lock:
            latest_ms, is_to_note = self._latest_ms, self._is_to_note(now_ms)
        if latest_ms is None:
            latest_ms = int((tx.one(_LATEST) or "0")[0])
        if now_ms < latest_ms - _STEP_MS:
            tx.execute(_DUE_NOW, {"now": now_ms})
            tx.execute(_LEASED_TOO, {"now": now_ms, "hold": now_ms + _HOLD_MS})
            tx.execute(_PROBE_SOONER, (now_ms,))
        if is_to_note:
            tx.execute(_NOTE, (str(now_ms),))

    def passed(self, now_ms: int) -> None:
        """See `Ticking.passed`."""
        with self._lock:
            if self._is_to_note(now_ms):
                self._noted_ms = now_ms
            self._latest_ms = now_ms

    def _is_to_note(self, now_ms: int) -> bool:
        return not self._noted_ms - _STEP_MS <= now_ms < self._noted_ms + _NOTE_MS
