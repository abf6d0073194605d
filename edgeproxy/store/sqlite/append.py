"""Accepting events in SQLite: dedup, identity, rows, ledger. The hot path, one call a group.

What costs here is pages, not statements: every random key dirties one, and every dirty page is
checksummed, logged, synced and copied back. Source: measured, see `schema/sqlite/0001.sql`.
"""

from array import array
from collections.abc import Iterator, Sequence
from itertools import count, islice

import apsw
from msgspec.structs import astuple

from edgeproxy.store.base import Binding, Entry, Fate, Item
from edgeproxy.store.sqlite import ledger, seen
from edgeproxy.store.sqlite.many import Many

_TOUCH_MS = 86_400_000
"""`last_seen` is written at most once a day for a visitor: reading is cheap, writing is not."""

_HEAD = """
INSERT INTO outbox (id, integration, key, order_key, visitor, name, body, sealed, event_time,
  expires, created, due, known)
"""
_ROW = "({0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}, {9}, ?1, ?1, %s)"
_TRAITS = "coalesce((SELECT CAST(traits AS BLOB) FROM identity WHERE visitor = {4}), x'')"
_INSERT = Many(_HEAD, _ROW % "x''", fields=10, shared=1)
_INSERT_KNOWN = Many(_HEAD, _ROW % _TRAITS, fields=10, shared=1)
_NEXT = "SELECT coalesce(max(id), 0) + 1 FROM outbox"
# What is there wins: the fill is patched by what is known, not the other way round.
_FILL = """
UPDATE outbox
SET known = CAST(json_patch(?1, iif(known = x'', '{}', CAST(known AS TEXT))) AS BLOB)
WHERE id IN carray(?4) AND lease IS NULL
  AND (key = ?2 OR (order_key = ?3 AND order_key <> x''))
"""
_TOUCH = """
UPDATE identity SET last_seen = ?1 WHERE visitor IN carray(?2) AND last_seen <= ?1 - ?3
"""
_BIND = """
INSERT INTO identity (visitor, traits, last_seen) VALUES (?1, json_patch('{}', ?2), ?3)
ON CONFLICT (visitor) DO UPDATE SET traits = json_patch(traits, ?2), last_seen = ?3
"""


def append(db: apsw.Connection, now_ms: int, items: Sequence[Item]) -> list[tuple[Fate, ...]]:
    """Write the new ones of the items' entries, in order; return one fate for each entry."""
    entries = [entry for item in items for entry in item.entries]
    first_row: int = db.execute(_NEXT).get
    fates = seen.take(db, now_ms, entries, first_row)
    new = [entry for entry, fate in zip(entries, fates, strict=True) if fate is Fate.ACCEPTED]
    rows = count(first_row)
    if any(item.binding for item in items):
        _insert_between_bindings(db, now_ms, items, iter(fates), rows)
    else:
        _insert(db, now_ms, new, rows)
    ledger.count_each(db, "accepted", [entry.integration for entry in new])
    if len(new) < len(entries):
        old = [e for e, f in zip(entries, fates, strict=True) if f is Fate.DUPLICATE]
        ledger.count_each(db, "duplicate", [entry.integration for entry in old])
        _fill(db, old)
    given = iter(fates)
    return [tuple(islice(given, len(item.entries))) for item in items]


def _insert(db: apsw.Connection, now_ms: int, entries: Sequence[Entry], ids: Iterator[int]) -> None:
    if not entries:
        return
    identified = db.execute("SELECT 1 FROM identity LIMIT 1").get is not None
    rows = [(next(ids), *astuple(entry)[:_STORED]) for entry in entries]
    (_INSERT_KNOWN if identified else _INSERT).run(db, rows, (now_ms,))
    if identified:
        visitors = tuple({entry.visitor for entry in entries})
        db.execute(_TOUCH, (now_ms, apsw.carray(visitors), _TOUCH_MS))


_STORED = 9
"""How many of an entry's fields are stored; the last is for copies only."""


def _insert_between_bindings(
    db: apsw.Connection,
    now_ms: int,
    items: Sequence[Item],
    fates: Iterator[Fate],
    ids: Iterator[int],
) -> None:
    run: list[Entry] = []
    visitors: set[bytes] = set()  # of the run: only their own bindings must wait for it
    for item in items:
        if item.binding:
            if item.binding.visitor in visitors:
                _insert(db, now_ms, run, ids)
                run, visitors = [], set()
            _bind(db, now_ms, item.binding)
        for entry in item.entries:
            if next(fates) is Fate.ACCEPTED:
                run.append(entry)
                visitors.add(entry.visitor)
    _insert(db, now_ms, run, ids)


def _fill(db: apsw.Connection, copies: Sequence[Entry]) -> None:
    """Complete the rows that still wait by what a later copy of their event knows."""
    for copy in copies:
        if copy.fill not in (b"", b"{}"):
            rows = array("q", seen.rows_of(db, (copy.key, copy.order_key)))
            db.execute(_FILL, (copy.fill.decode(), copy.key, copy.order_key, apsw.carray(rows)))


def _bind(db: apsw.Connection, now_ms: int, binding: Binding) -> None:
    if not binding.visitor:  # nobody: what is bound to it would reach every nameless row
        return
    if binding.forget:
        db.execute("DELETE FROM identity WHERE visitor = ?", (binding.visitor,))
    if binding.traits != b"{}":
        db.execute(_BIND, (binding.visitor, binding.traits.decode(), now_ms))
