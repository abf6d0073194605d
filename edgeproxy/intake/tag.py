"""The batch that the tag posts: envelope first, then each event.

So one bad event costs only itself.
"""

import re
from typing import Any

import msgspec

from edgeproxy.errors import BadBatch
from edgeproxy.intake.limits import EVENT_BYTES, check_properties, check_text
from edgeproxy.intake.raw import RawBatch, RawEvent, Rejected, Unacceptable

MAX_EVENTS = 50
NAME_CHARS = 256
ID_CHARS = 256
URL_CHARS = 8192

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Page(msgspec.Struct, frozen=True, gc=False):
    """Where it happened: the page's address and where the visitor came from."""

    url: str | None = None
    referrer: str | None = None


class Batch(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the tag posts. Times in Unix ms. Unknown fields are ignored."""

    events: list[msgspec.Raw]
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


_BATCH = msgspec.json.Decoder(Batch)
_EVENT = msgspec.json.Decoder(TagEvent)


def parse(body: bytes) -> RawBatch:
    """Read a posted batch.

    Returns:
        The batch with each event read, or refused by its index.

    Raises:
        BadBatch: 400 when there is no batch, 413 when it has more than 50 events.
    """
    try:
        batch = _envelope(body)
    except _UNREADABLE as error:
        raise BadBatch("unreadable", f"the body is no batch: {_where(error)}") from None
    if not batch.events:
        raise BadBatch("no_events", "the batch has no events")
    if len(batch.events) > MAX_EVENTS:
        raise BadBatch(
            "too_many_events",
            f"the batch has {len(batch.events)} events; {MAX_EVENTS} is the most",
            status=413,
        )
    return _raw_batch(batch)


def _envelope(body: bytes) -> Batch:
    """The batch; half characters, which browsers write for a text cut inside one, are replaced.

    Source: ECMAScript, well-formed JSON.stringify: a lone surrogate becomes its escape.
    """
    try:
        return _BATCH.decode(body)
    except msgspec.DecodeError:
        mended = _HALVES.sub(_mend, body)
        if mended == body:
            raise
        return _BATCH.decode(mended)


_HALVES = re.compile(rb"\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u[dD][89a-fA-F]..")


def _mend(found: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if len(found.group()) == 6 else found.group()


def _raw_batch(batch: Batch) -> RawBatch:
    events: list[RawEvent] = []
    rejected: list[Rejected] = []
    for index, raw in enumerate(batch.events):
        try:
            events.append(_read(index, raw, batch.test_mode))
        except Unacceptable as no:
            rejected.append(Rejected(index, no.code, no.reason))
    page = batch.page or Page()
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
    except _UNREADABLE as error:
        raise Unacceptable("unreadable", _where(error)) from None
    properties = event.properties or {}
    check_properties(text, properties)
    return RawEvent(
        index=index,
        name=_name(event.name),
        id=_id(event.id),
        time=event.time,
        call="page" if event.call == "page" else "track",
        properties=properties,
        test=test or event.test_mode or properties.get("test_mode") is True,
    )


def _name(name: str) -> str:
    if not name.strip():
        raise Unacceptable("no_name", "the event's name is empty")
    if len(name) > NAME_CHARS:
        raise Unacceptable("too_long", f"the event's name is longer than {NAME_CHARS} characters")
    check_text(name)
    return name


def _id(value: str | int | None) -> str:
    if isinstance(value, int) and value.bit_length() > 64:
        raise Unacceptable("bad_number", "the event's id is a number of more than 64 bits")
    text = "" if value is None else str(value).strip()
    if len(text) > ID_CHARS:
        raise Unacceptable("too_long", f"the event's id is longer than {ID_CHARS} characters")
    if not text.isprintable():
        raise Unacceptable("control_character", "the event's id holds a control character")
    return text


def _url(text: str | None) -> str:
    """The address, or "" when it is missing or too long to be one."""
    return text if text and len(text) <= URL_CHARS else ""


def _where(error: Exception) -> str:
    """What is wrong and where, without repeating what was sent."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, msgspec.ValidationError):
        return str(error)
    return "it is not valid JSON"
