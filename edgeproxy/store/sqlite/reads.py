"""Questions to a SQLite store, answered on the read-only connection, each from one snapshot."""

import math
from collections.abc import Iterator
from typing import Any

import apsw
import msgspec

from edgeproxy.store.base import Counts
from edgeproxy.store.sqlite.leases import RETRY_MAX_MS
from edgeproxy.store.sqlite.transaction import transaction

WAITING_MAX = 10_000
"""`waiting` counts no further: its caller asks whether a batch is full, and asks often."""

_EVER = 2**63 - 1

_LEDGER = "SELECT integration, kind, n FROM ledger"
_WAITING_ROWS = """
SELECT integration, count(*), min(created) FROM outbox INDEXED BY outbox_due
WHERE lease IS NULL GROUP BY integration
"""
_LEASED_ROWS = """
SELECT integration, count(*), min(created) FROM outbox INDEXED BY outbox_leased
WHERE lease IS NOT NULL GROUP BY integration
"""
_DEAD_ROWS = "SELECT integration, count(*) FROM dead GROUP BY integration"
_DUE = """
SELECT count(*) FROM (
  SELECT 1 FROM outbox INDEXED BY outbox_due
  WHERE integration = ?1 AND lease IS NULL AND expires > ?2 AND due BETWEEN ?3 AND ?4 LIMIT ?5
)
"""
_NEXT = """
SELECT min(due) FROM outbox INDEXED BY outbox_due
WHERE integration = ?1 AND lease IS NULL AND expires > ?2 AND due > ?2
"""
_KNOWN = "SELECT CAST(traits AS BLOB) FROM identity WHERE visitor = ?"


def stats(db: apsw.Connection, now_ms: int) -> list[Counts]:
    """The ledger and the queue of every integration, ordered by name."""
    numbers: dict[str, dict[str, int]] = {}
    oldest_ms: dict[str, int] = {}
    with transaction(db, "BEGIN"):
        for integration, kind, n in _rows(db, _LEDGER):
            numbers.setdefault(integration, {})[kind] = n
        for kind, sql in (("waiting", _WAITING_ROWS), ("leased", _LEASED_ROWS)):
            for integration, n, created_ms in _rows(db, sql):
                queue = numbers.setdefault(integration, {})
                queue["pending"] = queue.get("pending", 0) + n
                if kind == "leased":
                    queue["leased"] = n
                oldest_ms[integration] = min(created_ms, oldest_ms.get(integration, created_ms))
        for integration, n in _rows(db, _DEAD_ROWS):
            numbers.setdefault(integration, {})["dead_now"] = n
    ages_s = {name: max(0, now_ms - created_ms) / 1000 for name, created_ms in oldest_ms.items()}
    return [
        msgspec.convert(
            {"integration": name, "oldest_s": ages_s.get(name, 0.0), **numbers[name]}, Counts
        )
        for name in sorted(numbers)
    ]


def _rows(db: apsw.Connection, sql: str) -> Iterator[Any]:
    return db.execute(sql)  # typed by the STRICT tables, which mypy cannot read


def waiting(db: apsw.Connection, now_ms: int, integration: str) -> tuple[int, float]:
    """How many unleased rows are due (up to `WAITING_MAX`), and seconds until the next one."""
    with transaction(db, "BEGIN"):
        due = sum(
            int(db.execute(_DUE, (integration, now_ms, from_ms, to_ms, WAITING_MAX)).get)
            for from_ms, to_ms in ((0, now_ms), (now_ms + RETRY_MAX_MS + 1, _EVER))
        )
        if due:
            return due, 0.0
        next_ms = db.execute(_NEXT, (integration, now_ms)).get
    return 0, math.inf if next_ms is None else (next_ms - now_ms) / 1000


def known(db: apsw.Connection, now_ms: int, visitor: bytes) -> bytes:
    """The traits bound to a visitor, or b""."""
    return db.execute(_KNOWN, (visitor,)).get or b""


def note(db: apsw.Connection, now_ms: int, name: str) -> str:
    """A note of the installation, or ""."""
    return db.execute("SELECT value FROM meta WHERE name = ?", (name,)).get or ""
