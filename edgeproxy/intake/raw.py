"""What a caller's batch says after reading and before any rule: the common form of all shapes.

Values of these structs may hold personal data in the clear. They live for one request and are
never stored, logged or shown.
"""

from collections.abc import Mapping
from typing import Any

import msgspec


class RawEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One event as the caller wrote it. `time` is anything; `call` is "track" or "page"."""

    index: int
    name: str
    id: str = ""
    time: object = None
    call: str = "track"
    properties: Mapping[str, Any] = {}
    test: bool = False


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """One event of a batch that is refused, and why; the others go on."""

    index: int
    code: str
    reason: str


class RawBatch(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A batch: what is common to its events, the readable ones, and the refused ones."""

    events: tuple[RawEvent, ...]
    rejected: tuple[Rejected, ...] = ()
    sent_at: object = None
    page_url: str = ""
    referrer: str = ""
    consent: object = None
    user: Mapping[str, Any] = {}
    click_id: object = None
    pixels: tuple[str, ...] | None = None


class Unacceptable(Exception):
    """One event cannot be taken; becomes a `Rejected` with the event's index."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(code)
