"""Accepting events in SQLite: dedup, identity, rows, ledger. The hot path, one call a group.

What costs here is pages, not statements: every random key dirties one, and every dirty page is
checksummed, logged, synced and copied back. Source: measured, see `schema/sqlite/0001.sql`.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import apsw
from msgspec.structs import astuple

from edgeproxy.store.base import Binding, Entry, Fate, Item
from edgeproxy.store.sqlite import ledger, seen

_TOUCH_MS = 86_400_000
"""`last_seen` is written at most once a day for a visitor: reading is cheap, writing is not."""

# The first nine in the order of the fields of Entry, then the clock.
_INSERT = """
INSERT INTO outbox (integration, key, order_key, visitor, name, body, sealed, event_time, expires,
  created, due, known) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, x'')
"""
_TRAITS = "coalesce((SELECT CAST(traits AS BLOB) FROM identity WHERE visitor = ?4), x'')"
_INSERT_KNOWN = _INSERT.replace("x''", _TRAITS)
_TOUCH = "UPDATE identity SET last_seen = ?1 WHERE visitor = ?2 AND last_seen <= ?1 - ?3"
_BIND = """
INSERT INTO identity (visitor, traits, last_seen) VALUES (?1, json_patch('{}', ?2), ?3)
ON CONFLICT (visitor) DO UPDATE SET traits = json_patch(traits, ?2), last_seen = ?3
"""


def append(db: apsw.Connection, now_ms: int, items: Sequence[Item]) -> list[tuple[Fate, ...]]:
    """Write the new ones of the items' entries, in order; return one fate for each entry."""
    entries = [entry for item in items for entry in item.entries]
    fates = seen.take(db, now_ms, entries)
    new = [entry for entry, fate in zip(entries, fates, strict=True) if fate is Fate.ACCEPTED]
    if any(item.binding for item in items):
        _insert_between_bindings(db, now_ms, items, iter(fates))
    else:
        _insert(db, now_ms, new)
    ledger.count_each(db, "accepted", [entry.integration for entry in new])
    if len(new) < len(entries):
        old = [e.integration for e, f in zip(entries, fates, strict=True) if f is Fate.DUPLICATE]
        ledger.count_each(db, "duplicate", old)
    given = iter(fates)
    return [tuple(islice(given, len(item.entries))) for item in items]


def _insert(db: apsw.Connection, now_ms: int, entries: Sequence[Entry]) -> None:
    identified = db.execute("SELECT 1 FROM identity LIMIT 1").get is not None
    now = (now_ms,)
    rows = [astuple(entry) + now for entry in entries]
    db.executemany(_INSERT_KNOWN if identified else _INSERT, rows)
    if identified:
        visitors = {e.visitor for e in entries}
        db.executemany(_TOUCH, [(now_ms, visitor, _TOUCH_MS) for visitor in visitors])


def _insert_between_bindings(
    db: apsw.Connection, now_ms: int, items: Sequence[Item], fates: Iterator[Fate]
) -> None:
    run: list[Entry] = []
    for item in items:
        if item.binding:
            _insert(db, now_ms, run)
            run = []
            _bind(db, now_ms, item.binding)
        run += [entry for entry in item.entries if next(fates) is Fate.ACCEPTED]
    _insert(db, now_ms, run)


def _bind(db: apsw.Connection, now_ms: int, binding: Binding) -> None:
    if not binding.visitor:  # nobody: what is bound to it would reach every nameless row
        return
    if binding.forget:
        db.execute("DELETE FROM identity WHERE visitor = ?", (binding.visitor,))
    if binding.traits != b"{}":
        db.execute(_BIND, (binding.visitor, binding.traits.decode(), now_ms))
