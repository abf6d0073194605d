"""What the sandbox keeps of each event and request, bounded by number and by bytes."""

import bisect
from collections import deque

import msgspec

KEEP_EVENTS = 20_000
KEEP_REQUESTS = 5_000
KEEP_BYTES = 64 * 1024 * 1024
"""Of event bodies, whatever their number."""

_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_ASSETS = 1_000


class Seen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event as it came, and what was made of it.

    Attributes:
        n: Its number, growing over the sandbox's life, also across resets.
        at: Receipt, Unix ms.
        endpoint: "live" or "validate".
        order_id: `transaction_id` or `order_id`, "" for none.
        event: The object as received.
        verdict: "accepted", "refused", or "not_taken" (nothing was said about the event itself;
            `note` says why).
        faults, warnings: Sentences; none repeats a value.
        attempt: 1 for the first time that this id was seen.
        duplicate: Accepted, yet Snap would count it together with an earlier one.
    """

    n: int
    at: int
    path: str
    dialect: str
    endpoint: str
    asset: str
    name: str
    id: str
    order_id: str
    event: msgspec.Raw
    verdict: str
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    note: str = ""
    attempt: int = 1
    duplicate: bool = False


class Asked(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request: `status` is None when the connection was reset, `token` a fingerprint."""

    n: int
    at: int
    method: str
    path: str
    token: str
    status: int | None
    events: int
    scripted: bool


class Counts(msgspec.Struct, kw_only=True):
    """Counters since the start or the last reset.

    Live events: `received` = `unique` + `duplicates` + `refused` + `not_taken`. Of `unique`,
    `seen_again` are repetitions that Snap counts anew (ADD_CART and PAGE_VIEW after one second), so
    `unique` − `seen_again` events are truly different. `tested` came to a validate path.
    """

    requests: int = 0
    received: int = 0
    unique: int = 0
    duplicates: int = 0
    refused: int = 0
    not_taken: int = 0
    seen_again: int = 0
    tested: int = 0


class Kept:
    """The last events, oldest first."""

    def __init__(self, limit: int, limit_bytes: int) -> None:
        self._events: deque[Seen] = deque()
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._bytes = 0

    def add(self, seen: Seen) -> None:
        """Keep one; the oldest go when there are too many or they are too large."""
        self._events.append(seen)
        self._bytes += len(memoryview(seen.event))
        while len(self._events) > self._limit or self._bytes > self._limit_bytes:
            self._bytes -= len(memoryview(self._events.popleft().event))

    def all(self) -> list[Seen]:
        """Oldest first; a copy made in one step, so that another thread may ask."""
        return list(self._events)

    def since(self, n: int) -> list[Seen]:
        """Those numbered above n, oldest first."""
        events = self.all()
        start = bisect.bisect_right(events, n, key=lambda seen: seen.n)
        return events[start:]

    def last(self, number: int) -> list[Seen]:
        """The newest, oldest first."""
        return self.all()[-number:]


class Hours:
    """Events of the past hour by asset and endpoint, by minute. Source: Snap, validate/stats."""

    def __init__(self) -> None:
        self._minutes: dict[tuple[str, str], deque[list[int]]] = {}
        self._latest: dict[tuple[str, str], int] = {}

    def add(self, asset: str, endpoint: str, at_ms: int) -> None:
        """Count one event; beyond a thousand assets, new ones are not counted."""
        key = (asset, endpoint)
        minutes = self._minutes.get(key)
        if minutes is None:
            if len(self._minutes) >= _ASSETS:
                return
            minutes = self._minutes[key] = deque(maxlen=60)
        minute = at_ms // _MINUTE_MS
        if not minutes or minutes[-1][0] != minute:
            minutes.append([minute, 0])
        minutes[-1][1] += 1
        self._latest[key] = at_ms

    def stats(self, asset: str, endpoint: str, now_ms: int) -> dict[str, int]:
        """Snap's two figures; 0 for an asset that sent nothing."""
        key = (asset, endpoint)
        oldest = (now_ms - _HOUR_MS) // _MINUTE_MS
        past_hour = sum(n for minute, n in self._minutes.get(key, ()) if minute > oldest)
        return {"latest_event_ts": self._latest.get(key, 0), "event_count_past_hour": past_hour}
