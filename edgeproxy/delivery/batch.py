"""Which events share a request, and how a refused request is taken apart. Pure."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from edgeproxy.event import Event, Sealed
from edgeproxy.pii import sha256_hex
from edgeproxy.store.base import Row
from edgeproxy.wire import Endpoint, WireEvent

_SHORTEST_SECRET = 4

MAX_BYTES = 1_000_000
"""Of one request's body. Snap names no limit; a megabyte passes every gateway that is known."""


class Ready(Struct, frozen=True, kw_only=True, gc=False):
    """One row that can be sent. `opened` is what was sealed beside it."""

    row: Row
    event: Event
    wire: WireEvent
    opened: Sealed | None = None

    @property
    def endpoint(self) -> Endpoint:
        """Where it goes: test events must not count."""
        return "validate" if self.event.test else "live"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The raw values in it that no message, log or trace may repeat."""
        if (opened := self.opened) is None:
            return ()
        raw = (
            opened.user_agent,
            opened.address,
            opened.address_sha256 or sha256_hex(opened.address),
            opened.mobile_ad_id,
            opened.idfv,
        )
        return tuple(value for value in raw if len(value) >= _SHORTEST_SECRET)


Batch = tuple[Ready, ...]


def batches(ready: Iterable[Ready], *, max_events: int, max_bytes: int = MAX_BYTES) -> list[Batch]:
    """Form batches of one endpoint and one target each, in the order of arrival.

    Sizes are judged by what is stored, which is about as long as what is sent; the sender halves
    a batch that turns out too long. One event is never too large here.
    """
    filling: dict[tuple[Endpoint, str], list[Ready]] = {}
    sizes: dict[tuple[Endpoint, str], int] = {}
    made: list[Batch] = []
    for each in ready:
        lane = (each.endpoint, each.wire.target)
        batch = filling.setdefault(lane, [])
        size = len(each.row.body) + len(each.row.sealed)
        if batch and (len(batch) >= max_events or sizes[lane] + size > max_bytes):
            made.append(tuple(batch))
            batch.clear()
        batch.append(each)
        sizes[lane] = size + (sizes[lane] if len(batch) > 1 else 0)
    return made + [tuple(batch) for batch in filling.values()]


def halves(batch: Sequence[Ready]) -> tuple[Batch, Batch]:
    """Two batches of about the same length; the first is the shorter one."""
    middle = len(batch) // 2
    return tuple(batch[:middle]), tuple(batch[middle:])
