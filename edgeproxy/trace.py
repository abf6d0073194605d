"""One step of an event's way, told to whoever watches (the debugger, the demo's dock).

Steps carry digests and family names only. Nobody watching costs nothing: callers ask first.
"""

from collections.abc import Callable, Collection
from typing import Literal

import msgspec

Stage = Literal[
    "received", "dropped", "rejected", "duplicate", "queued", "sent", "answered", "dead"
]


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened to one event at one moment.

    `event_id` is the caller's id at the door and the dedup id on the wire (the same but for
    one-to-many mappings). `visitor` names the visitor as the store does, in hex. `data` is
    JSON-ready and redacted.
    """

    at_ms: int
    stage: Stage
    event_id: str
    name: str
    source: str = ""
    integration: str = ""
    visitor: str = ""
    data: dict[str, object] = {}


Watch = Callable[[Step], None]

Watching = Callable[[int], Watch | None]
"""Asked once before the steps of so many events are made: who wants them now; None for nobody."""


class Followed(msgspec.Struct, frozen=True):
    """Events whose end is told in any case, because their beginning was.

    Attributes:
        ids: Their dedup ids on the wire.
        watch: Takes the steps.
    """

    ids: Collection[str]
    watch: Watch
