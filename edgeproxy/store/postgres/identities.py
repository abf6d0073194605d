"""What is known of visitors, while a group is appended: read once, changed in order, written once.

Traits are merged here and not by the database, whose JSON would come back in another order and
with blanks; the rows are locked meanwhile.
"""

from collections.abc import Sequence

import msgspec

from edgeproxy.store.base import Binding, Item
from edgeproxy.store.postgres.transaction import Tx

_TOUCH_MS = 86_400_000
"""`last_seen` is written at most once a day for a visitor."""

# A row for each visitor that gets traits, so that there is something to lock.
_MAKE = """
INSERT INTO identity (visitor, traits, last_seen)
SELECT visitor, ''::bytea, 0 FROM unnest(%b::bytea[]) AS u (visitor) ON CONFLICT DO NOTHING
"""
_READ = "SELECT visitor, traits FROM identity WHERE visitor = ANY(%b::bytea[]) ORDER BY visitor"
_LOCK = _READ + " FOR UPDATE"
_WRITE = """
UPDATE identity AS i SET traits = u.traits, last_seen = %s
FROM unnest(%b::bytea[], %b::bytea[]) AS u (visitor, traits) WHERE i.visitor = u.visitor
"""
_TOUCH = """
UPDATE identity SET last_seen = %(now)s WHERE visitor IN (
  SELECT visitor FROM identity
  WHERE visitor = ANY(%(visitors)b::bytea[]) AND last_seen <= %(now)s - %(touch)s
  ORDER BY visitor FOR UPDATE
)
"""
_DROP = "DELETE FROM identity WHERE visitor = ANY(%b::bytea[])"

_decoder = msgspec.json.Decoder(dict[str, str])
_encode = msgspec.json.Encoder().encode


def merged(known: bytes, over: bytes) -> bytes:
    """Traits and others over them; b"" for none.

    Raises:
        msgspec.DecodeError: One of them is no flat object of texts.
    """
    traits = _decoder.decode(known or b"{}") | _decoder.decode(over or b"{}")
    return _encode(traits) if traits else b""


class Identities:
    """The visitors of a group."""

    def __init__(self, tx: Tx, items: Sequence[Item]) -> None:
        """Send the questions."""
        bindings = [item.binding for item in items if item.binding and item.binding.visitor]
        bound = sorted({binding.visitor for binding in bindings})
        gain = sorted({binding.visitor for binding in bindings if binding.traits != b"{}"})
        named = {entry.visitor for item in items for entry in item.entries}
        others = sorted(named.difference(bound, (b"",)))
        if gain:
            tx.execute(_MAKE, (gain,))
        asked = [tx.execute(_LOCK, (bound,))] if bound else []
        asked += [tx.execute(_READ, (others,))] if others else []
        self._tx = tx
        self._asked = asked
        self._bound = bound
        self._known: dict[bytes, bytes] | None = None

    def _all(self) -> dict[bytes, bytes]:
        if self._known is None:
            self._known = dict(row for asked in self._asked for row in asked.rows())
        return self._known

    def known(self, visitor: bytes) -> bytes:
        """The traits of a visitor as of now, or b""."""
        return self._all().get(visitor, b"")

    def bind(self, binding: Binding) -> None:
        """Forget, and merge; raises `msgspec.DecodeError` for what is no object of texts."""
        if not binding.visitor:  # nobody: what is bound to it would reach every nameless row
            return
        known = b"" if binding.forget else self.known(binding.visitor)
        self._all()[binding.visitor] = merged(known, binding.traits)

    def write(self, used: Sequence[bytes]) -> None:
        """Send the changes; `used` are the visitors of new rows."""
        now_ms = self._tx.now_ms
        kept = [visitor for visitor in self._bound if self.known(visitor)]
        gone = [visitor for visitor in self._bound if not self.known(visitor)]
        touched = sorted({v for v in used if self.known(v)}.difference(self._bound))
        if kept:
            self._tx.execute(_WRITE, (now_ms, kept, [self.known(v) for v in kept]))
        if gone:
            self._tx.execute(_DROP, (gone,))
        if touched:
            params = {"now": now_ms, "visitors": touched, "touch": _TOUCH_MS}
            self._tx.execute(_TOUCH, params)
