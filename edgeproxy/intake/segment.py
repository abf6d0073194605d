"""Segment's HTTP API: envelope first, then each message, so that a bad one costs only itself.

Source: Segment, HTTP Tracking API source, and the Spec of its calls.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from edgeproxy import clickid, pii
from edgeproxy.addresses import canonical
from edgeproxy.cookies import valid_scid
from edgeproxy.errors import BadBatch
from edgeproxy.event import Channel
from edgeproxy.intake.context import (
    channel_of,
    consent_of,
    device_ids,
    device_of,
    said_channel,
    snap_options,
    text,
    tracking_denied,
)
from edgeproxy.intake.decoding import UNREADABLE, an_object, decoded, why
from edgeproxy.intake.labels import ID_CHARS, NAME_CHARS, event_id, event_name
from edgeproxy.intake.limits import check_properties
from edgeproxy.intake.raw import RawBatch, RawEvent, Rejected, Unacceptable
from edgeproxy.intake.report import Report
from edgeproxy.intake.spelling import fold
from edgeproxy.intake.values import holds_email

Call = Literal["track", "page", "screen", "identify", "group", "alias"]

MAX_MESSAGES = 2500
MESSAGE_BYTES = 32 * 1024
"""Source: Segment, HTTP Tracking API source, maximum request size."""

_CALLS = frozenset(("track", "page", "screen", "identify", "group", "alias"))
_SCID_NAMES = frozenset(("scid", "uuidc1", "sccookie1"))
_URL_CHARS = 8192


class Envelope(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """What the messages of a request share. Any type, because nothing of it is required."""

    write_key: Any = None
    sent_at: Any = None
    context: Any = None
    integrations: Any = None
    consent: Any = None
    test_mode: Any = msgspec.field(default=None, name="test_mode")


class Batch(Envelope, frozen=True, gc=False, kw_only=True):
    """The body of `/v1/batch`; its messages are still texts."""

    batch: list[msgspec.Raw]


class Request(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A request before its messages are read: who asks, and the messages with their call."""

    write_key: str
    envelope: Envelope
    messages: list[bytes]
    call: Call | None


_BATCH = msgspec.json.Decoder(Batch)
_SINGLE = msgspec.json.Decoder(Envelope)
_MESSAGE = msgspec.json.Decoder(dict[str, Any])


def open_request(body: bytes, call: Call | None) -> Request:
    """Read the envelope.

    Args:
        body: As posted.
        call: Of a route with a single message; None for a batch.

    Raises:
        BadBatch: 400 when there is no batch or message, 413 when there are too many.
    """
    try:
        if call is not None:
            envelope = decoded(_SINGLE, body)
            messages = [body]
        else:
            envelope = decoded(_BATCH, body)
            messages = [bytes(one) for one in envelope.batch]
    except UNREADABLE as error:
        raise BadBatch("unreadable", f"the body is no Segment call: {why(error)}") from None
    if not messages:
        raise BadBatch("no_events", "the batch has no messages")
    if len(messages) > MAX_MESSAGES:
        raise BadBatch(
            "too_many_events", f"a batch may have {MAX_MESSAGES} messages at most", status=413
        )
    return Request(
        write_key=text(envelope.write_key), envelope=envelope, messages=messages, call=call
    )


def read(request: Request) -> Iterator[Report | Rejected | None]:
    """Each message in its turn: one visitor's event, or refused by its index.

    None for calls that say nothing about an event or a visitor (group, alias).
    """
    for index, one in enumerate(request.messages):
        try:
            yield _read(index, one, request)
        except Unacceptable as no:
            yield Rejected(index, no.code, no.reason)


def _read(index: int, one: bytes, request: Request) -> Report | None:
    if len(one) > MESSAGE_BYTES:
        raise Unacceptable("too_large", f"the message has more than {MESSAGE_BYTES} bytes")
    try:
        message = decoded(_MESSAGE, one)
    except UNREADABLE as error:
        raise Unacceptable("unreadable", why(error)) from None
    call = request.call or text(message.get("type") or message.get("action")).lower()
    if call not in _CALLS:
        raise Unacceptable("bad_type", "the message's type must be track, page or identify")
    properties = message.get("properties") or {}
    if not isinstance(properties, dict):
        raise Unacceptable("unreadable", "the message's properties are no object")
    check_properties(one, properties)
    if call in ("group", "alias"):
        return None
    return _report(_Message(message, request.envelope, properties, index, call))


class _Message:
    """One message with what its batch says for all of them."""

    def __init__(
        self,
        message: Mapping[str, Any],
        envelope: Envelope,
        properties: dict[str, Any],
        index: int,
        call: str,
    ) -> None:
        self.message, self.properties = message, properties
        self.index, self.call = index, call
        self.context = {**an_object(envelope.context), **an_object(message.get("context"))}
        self.test_mode, self.shared_consent = envelope.test_mode, envelope.consent
        self.sent_at = message.get("sentAt") or envelope.sent_at
        given = {**an_object(envelope.integrations), **an_object(message.get("integrations"))}
        self.wanted, self.options = snap_options(given)
        self.page = an_object(self.context.get("page"))
        self.user_id = text(message.get("userId"))
        self.anonymous_id = text(message.get("anonymousId"))
        self.scid = self._scid()

    def _scid(self) -> str:
        """The visitor's `_scid`: under one of Snap's names, or an anonymous id that can be one."""
        places = (self.options, self.context, self.properties)
        given = [value for one in places for key, value in one.items() if fold(key) in _SCID_NAMES]
        for value in (*given, self.anonymous_id):
            if isinstance(value, str) and valid_scid(value):
                return value
        return ""

    def names(self) -> tuple[str, ...]:
        """What the visitor is known by; identify joins both names of one."""
        names = [self.scid] if self.scid else []
        if self.anonymous_id and not names:
            names.append(server_name("anonymous", self.anonymous_id))
        if self.user_id and (not names or self.call == "identify"):
            names.append(server_name("user", self.user_id))
        return tuple(names)

    def event(self) -> RawEvent:
        """The event of the message."""
        message = self.message
        flags = (message, self.context, self.properties)
        return RawEvent(
            index=self.index,
            name=self._name(),
            id=event_id(message.get("messageId")),
            time=message.get("timestamp") or message.get("originalTimestamp"),
            call="page" if self.on_page else "track",
            properties=self._limited(),
            test=self.test_mode is True or any(one.get("test_mode") is True for one in flags),
        )

    @property
    def on_page(self) -> bool:
        """Whether the call says that a page or an app's screen was shown."""
        return self.call in ("page", "screen")

    def _name(self) -> str:
        """The event's name; a page's is its title."""
        if self.call == "track":
            return event_name(self.message.get("event"))
        if self.on_page:
            title = text(self.message.get("name")) or text(self.properties.get("name"))
            fit = 0 < len(title) <= NAME_CHARS and not holds_email(title)
            return title if fit else "page"
        return self.call

    def _limited(self) -> dict[str, Any]:
        if tracking_denied(self.context) and "data_use" not in self.properties:
            return {**self.properties, "data_use": "lmu"}
        return self.properties

    def user(self) -> dict[str, Any]:
        """What is said of the person; of an event's properties only what can be nobody else's."""
        said = {
            **device_ids(self.context),
            **an_object(self.context.get("traits")),
            **an_object(self.message.get("traits")),
        }
        for name in ("email", "phone"):
            if name in self.properties:
                said.setdefault(name, self.properties[name])
        if self.user_id:
            said["external_id"] = self.user_id
        return said

    def url(self, name: str) -> str:
        """The page's `url` or `referrer`; in the properties of other calls it is a product's."""
        found = self.page.get(name) or (self.properties.get(name) if self.on_page else "")
        return found if isinstance(found, str) and len(found) <= _URL_CHARS else ""

    def channel(self) -> Channel:
        """Where it happened: as the caller says, else as the context looks."""
        said = said_channel(
            (self.options, self.message, self.properties, self.context),
            (self.message.get("channel"), self.context.get("channel")),
        )
        return said or channel_of(self.context, page=self.on_page or bool(self.url("url")))

    def consent(self) -> dict[str, Any] | None:
        """What is said of the visitor's choice, anywhere in the message or for the whole batch."""
        shared = {"consent": self.shared_consent}
        return consent_of((shared, self.message, self.context, self.properties))


def server_name(kind: Literal["anonymous", "user"], text: str) -> str:
    """What a visitor is known by who has an id of the site's: no `_scid` can be it; it is short."""
    return f"{kind}\0{text if len(text) <= ID_CHARS else pii.sha256_hex(text)}"


def _report(one: _Message) -> Report:
    context = one.context
    return Report(
        batch=RawBatch(
            events=(one.event(),),
            sent_at=one.sent_at,
            page_url=one.url("url"),
            referrer=one.url("referrer"),
            consent=one.consent(),
            user=one.user(),
            click_id=clickid.from_properties(one.options) or clickid.from_properties(context),
            pixels=None if one.wanted else (),
        ),
        channel=one.channel(),
        names=one.names(),
        scid=one.scid,
        address=canonical(text(context.get("ip"))),
        user_agent=text(context.get("userAgent")),
        device=device_of(context),
    )
