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

_COLUMNS = """
integration, key, order_key, visitor, name, body, sealed, event_time, expires, created, due, known
"""
_TRAITS = "coalesce((SELECT CAST(traits AS BLOB) FROM identity WHERE visitor = ?%d), x'')"
_SIZES = (64, 16, 4, 1)
"""How many rows one statement inserts. Each statement's step lets go of the interpreter's lock,
which a busy event loop then keeps for much longer than the step takes."""

_FIELDS = 9
_VISITOR = 3


def _insert_of(size: int, *, known: bool) -> str:
    """A statement for some rows: ?1 is the clock, then each row's fields in the order of Entry."""
    rows = []
    for first in range(2, 2 + size * _FIELDS, _FIELDS):
        fields = ", ".join(f"?{first + n}" for n in range(_FIELDS))
        traits = _TRAITS % (first + _VISITOR) if known else "x''"
        rows.append(f"({fields}, ?1, ?1, {traits})")
    return f"INSERT INTO outbox ({_COLUMNS}) VALUES {', '.join(rows)}"  # noqa: S608 - constants


_INSERTS = {size: _insert_of(size, known=False) for size in _SIZES}
_INSERTS_KNOWN = {size: _insert_of(size, known=True) for size in _SIZES}
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
    if not entries:
        return
    identified = db.execute("SELECT 1 FROM identity LIMIT 1").get is not None
    statements = _INSERTS_KNOWN if identified else _INSERTS
    start = 0
    for size in _SIZES:
        while len(entries) - start >= size:
            values: list[object] = [now_ms]
            for entry in entries[start : start + size]:
                values += astuple(entry)
            db.execute(statements[size], values)
            start += size
    if identified:
        visitors = tuple({entry.visitor for entry in entries})
        db.execute(_TOUCH, (now_ms, apsw.carray(visitors), _TOUCH_MS))


def _insert_between_bindings(
    db: apsw.Connection, now_ms: int, items: Sequence[Item], fates: Iterator[Fate]
) -> None:
    run: list[Entry] = []
    visitors: set[bytes] = set()  # of the run: only their own bindings must wait for it
    for item in items:
        if item.binding:
            if item.binding.visitor in visitors:
                _insert(db, now_ms, run)
                run, visitors = [], set()
            _bind(db, now_ms, item.binding)
        for entry in item.entries:
            if next(fates) is Fate.ACCEPTED:
                run.append(entry)
                visitors.add(entry.visitor)
    _insert(db, now_ms, run)


def _bind(db: apsw.Connection, now_ms: int, binding: Binding) -> None:
    if not binding.visitor:  # nobody: what is bound to it would reach every nameless row
        return
    if binding.forget:
        db.execute("DELETE FROM identity WHERE visitor = ?", (binding.visitor,))
    if binding.traits != b"{}":
        db.execute(_BIND, (binding.visitor, binding.traits.decode(), now_ms))
