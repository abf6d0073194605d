"""The batch that the tag posts: envelope first, then each event.

So one bad event costs only itself.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from edgeproxy.errors import BadBatch
from edgeproxy.intake.decoding import UNREADABLE, decoded, why
from edgeproxy.intake.labels import event_id, event_name
from edgeproxy.intake.limits import DEPTH, EVENT_BYTES, check_properties, harmless
from edgeproxy.intake.raw import RawBatch, RawEvent, Rejected, Unacceptable

MAX_EVENTS = 50
URL_CHARS = 8192


class Page(msgspec.Struct, frozen=True, gc=False):
    """Where it happened: the page's address and where the visitor came from."""

    url: str | None = None
    referrer: str | None = None


class Envelope(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the tag posts, without the events. Times in Unix ms. Unknown fields are ignored."""

    v: int = 1
    sent_at: int | float | str | None = None
    page: Page | None = None
    consent: dict[str, Any] | None = None
    user: dict[str, Any] | None = None
    click_id: Any = None
    pixels: list[str] | None = None
    test_mode: bool = False


class TagEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One event of the batch; only the name is required."""

    name: str
    id: str | int | None = None
    time: int | float | str | None = None
    call: str | None = None
    properties: dict[str, Any] | None = None
    test_mode: bool = False


_NO_PAGE = Page()


class Batch(Envelope, frozen=True, gc=False, kw_only=True):
    """A batch whose events are still texts, so that a bad one costs only itself."""

    events: list[msgspec.Raw]


class PlainBatch(Envelope, frozen=True, gc=False, kw_only=True):
    """A batch that is read at once, which all of its events survive or none."""

    events: list[TagEvent]


_PLAIN = msgspec.json.Decoder(PlainBatch)
_BATCH = msgspec.json.Decoder(Batch)
_EVENT = msgspec.json.Decoder(TagEvent)


def parse(body: bytes) -> RawBatch:
    """Read a posted batch.

    Returns:
        The batch with each event read, or refused by its index.

    Raises:
        BadBatch: 400 when there is no batch, 413 when it has more than 50 events.
    """
    if (plain := _plain(body)) is not None:
        return plain
    try:
        batch = decoded(_BATCH, body)
    except UNREADABLE as error:
        raise BadBatch("unreadable", f"the body is no batch: {why(error)}") from None
    if not batch.events:
        raise BadBatch("no_events", "the batch has no events")
    if len(batch.events) > MAX_EVENTS:
        raise BadBatch(
            "too_many_events",
            f"the batch has {len(batch.events)} events; {MAX_EVENTS} is the most",
            status=413,
        )
    return _one_by_one(batch)


def _plain(body: bytes) -> RawBatch | None:
    """The batch, when nothing is wrong with any of its events and a look at the text proves it."""
    if not harmless(body, depth=DEPTH + _AROUND):
        return None
    try:
        batch = _PLAIN.decode(body)
        test = batch.test_mode
        events = [_raw(index, event, test) for index, event in enumerate(batch.events)]
    except (*UNREADABLE, Unacceptable):
        return None
    return _raw_batch(batch, events, ()) if 0 < len(events) <= MAX_EVENTS else None


_AROUND = 2
"""How deep an event lies in a batch."""


def _one_by_one(batch: Batch) -> RawBatch:
    events: list[RawEvent] = []
    rejected: list[Rejected] = []
    for index, raw in enumerate(batch.events):
        try:
            events.append(_read(index, raw, batch.test_mode))
        except Unacceptable as no:
            rejected.append(Rejected(index, no.code, no.reason))
    return _raw_batch(batch, events, rejected)


def _raw_batch(
    batch: Envelope, events: Sequence[RawEvent], rejected: Sequence[Rejected]
) -> RawBatch:
    page = batch.page or _NO_PAGE
    return RawBatch(
        events=tuple(events),
        rejected=tuple(rejected),
        sent_at=batch.sent_at,
        page_url=_url(page.url),
        referrer=_url(page.referrer),
        consent=batch.consent,
        user=batch.user or {},
        click_id=batch.click_id,
        pixels=None if batch.pixels is None else tuple(batch.pixels),
    )


def _read(index: int, raw: msgspec.Raw, test: bool) -> RawEvent:
    text = bytes(raw)
    if len(text) > EVENT_BYTES:
        raise Unacceptable("too_large", f"the event has more than {EVENT_BYTES} bytes")
    try:
        event = _EVENT.decode(text)
    except UNREADABLE as error:
        raise Unacceptable("unreadable", why(error)) from None
    check_properties(text, event.properties or {})
    return _raw(index, event, test)


def _raw(index: int, event: TagEvent, test: bool) -> RawEvent:
    properties = event.properties or {}
    return RawEvent(
        index=index,
        name=event_name(event.name),
        id=event_id(event.id),
        time=event.time,
        call="page" if event.call == "page" else "track",
        properties=properties,
        test=test or event.test_mode or properties.get("test_mode") is True,
    )


def _url(text: str | None) -> str:
    """The address, or "" when it is missing or too long to be one."""
    return text if text and len(text) <= URL_CHARS else ""
