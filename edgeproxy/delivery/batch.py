"""Which events share a request, and how a refused request is taken apart. Pure."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from edgeproxy.event import Event
from edgeproxy.store.base import Row
from edgeproxy.wire import Endpoint, WireEvent

MAX_BYTES = 1_000_000
"""Of one request's body. Snap names no limit; a megabyte passes every gateway that is known."""


class Ready(Struct, frozen=True, kw_only=True, gc=False):
    """One row that can be sent.

    `secrets` are the raw values in it that no message, log or trace may repeat.
    """

    row: Row
    event: Event
    wire: WireEvent
    secrets: tuple[str, ...] = ()

    @property
    def endpoint(self) -> Endpoint:
        """Where it goes: test events must not count."""
        return "validate" if self.event.test else "live"


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
