"""Which events Snap would count once: its windows for repeated ids, and how often each id came."""

import itertools
from typing import NamedTuple

from edgeproxy.sandbox.bodies import Piece

ID_MS = 48 * 3_600_000
"""Same pixel, event and id. Source: Snap, Conversions API, deduplication."""

ORDER_MS = 30 * 86_400_000
"""Same pixel and order id of a PURCHASE. Source: Snap, Conversions API, deduplication."""

SHORT_MS = 1000
"""ADD_CART and PAGE_VIEW with the same id. Source: integrators' readings of the same page."""

_SHORT = frozenset({"ADD_CART", "PAGE_VIEW"})


class Counted(NamedTuple):
    """How an event was counted.

    `seen_again`: it came again within 48 h, yet Snap counts it anew, because for its name the
    window is one second.
    """

    duplicate: bool
    seen_again: bool


_ONCE = Counted(duplicate=False, seen_again=False)
_TWICE = Counted(duplicate=True, seen_again=False)
_AGAIN = Counted(duplicate=False, seen_again=True)
_NEVER = 1 << 62


class Ledger:
    """The ids that came, bounded: beyond `limit` the oldest tenth is forgotten."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._arrivals: dict[str, int] = {}
        self._first_ms: dict[str, int] = {}

    def arrive(self, piece: Piece, *, live: bool) -> int:
        """Note that an event came; returns 1 for the first time its id is seen."""
        if not piece.id:
            return 1
        key = _key(piece) if live else f"test\n{_key(piece)}"
        _trim(self._arrivals, self._limit)
        times = self._arrivals.get(key, 0) + 1
        self._arrivals[key] = times
        return times

    def count(self, piece: Piece, now_ms: int) -> Counted:
        """Count a good live event; the first arrival stays, a repetition in its window goes."""
        short = piece.name in _SHORT
        by_id = self._age_ms(_key(piece), now_ms, ID_MS) if piece.id else _NEVER
        by_order = _NEVER
        if piece.order_id and piece.name == "PURCHASE":
            by_order = self._age_ms(f"order\n{piece.asset}\n{piece.order_id}", now_ms, ORDER_MS)
        if short and SHORT_MS <= by_id < ID_MS:
            self._first_ms[_key(piece)] = now_ms
            return _AGAIN
        return _TWICE if by_id < ID_MS or by_order < ORDER_MS else _ONCE

    def _age_ms(self, key: str, now_ms: int, window_ms: int) -> int:
        """How long ago a key was counted first; one whose window is over is counted now."""
        first_ms = self._first_ms.get(key)
        if first_ms is not None and now_ms - first_ms < window_ms:
            return now_ms - first_ms
        _trim(self._first_ms, self._limit)
        self._first_ms[key] = now_ms
        return _NEVER

    def ids(self) -> dict[str, list[int]]:
        """Each live event id → [how often it came, 1 when it was counted else 0], summed by id."""
        out: dict[str, list[int]] = {}
        for key, times in list(self._arrivals.items()):  # a copy: another thread may ask
            if key.startswith("test\n"):
                continue
            entry = out.setdefault(key.split("\n", 2)[2], [0, 0])
            entry[0] += times
            entry[1] += key in self._first_ms
        return out


def _key(piece: Piece) -> str:
    return f"{piece.asset}\n{piece.name}\n{piece.id}"


def _trim(table: dict[str, int], limit: int) -> None:
    if len(table) >= limit:
        for key in list(itertools.islice(table, limit // 10 + 1)):
            del table[key]
