"""Snap's own request shapes, as its SDKs and tools write them: v2 flat, v3 nested.

Source: Snap, business SDKs for v2 and v3 and their OpenAPI files.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from edgeproxy import pii
from edgeproxy.addresses import canonical
from edgeproxy.clickid import valid
from edgeproxy.cookies import valid_scid
from edgeproxy.errors import BadBatch
from edgeproxy.intake.context import consent_of, conversion_type, text
from edgeproxy.intake.decoding import UNREADABLE, an_object, decoded, why
from edgeproxy.intake.labels import event_id, event_name
from edgeproxy.intake.limits import check_properties
from edgeproxy.intake.raw import RawBatch, RawEvent, Unacceptable
from edgeproxy.intake.report import Report

MAX_EVENTS = 2000
"""Source: Snap, Conversions API, batch requests."""

EVENT_BYTES = 32 * 1024
_URL_CHARS = 8192

_V2_PERSON = {
    "hashed_email": "email",
    "hashed_phone_number": "phone",
    "hashed_first_name_sha": "first_name",
    "hashed_last_name_sha": "last_name",
    "hashed_city_sha": "city",
    "hashed_state_sha": "state",
    "hashed_zip": "zip",
    "hashed_mobile_ad_id": "mobile_ad_id",
    "hashed_idfv": "idfv",
}
"""v2's field → the person's. Source: Snap, Conversions API v2, Parameters page."""

Read = Report | Unacceptable
"""An event, or why it is none."""


class _Data(msgspec.Struct, frozen=True, gc=False):
    data: list[msgspec.Raw]


_MANY = msgspec.json.Decoder(list[msgspec.Raw])
_DATA = msgspec.json.Decoder(_Data)
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def read_v2(body: bytes, *, test: bool) -> Iterator[Read]:
    """The events of a v2 body in their turn; it is one object or an array of them.

    Args:
        body: As posted.
        test: Whether they go to Snap's validation.

    Raises:
        BadBatch: 400, it is neither, it is empty or has too many events.
    """
    try:
        raws = decoded(_MANY, body) if body.lstrip()[:1] == b"[" else [msgspec.Raw(body)]
    except UNREADABLE as error:
        raise BadBatch("unreadable", f"the body is no list of events: {why(error)}") from None
    return _each(raws, test, "")


def read_v3(body: bytes, asset: str, *, test: bool) -> Iterator[Read]:
    """The events of a v3 body, `{"data": […]}`, in their turn.

    Args:
        body: As posted.
        asset: The pixel or Snap app of the path.
        test: Whether they go to Snap's validation.

    Raises:
        BadBatch: 400, it is none, it is empty or has too many events.
    """
    try:
        raws = decoded(_DATA, body).data
    except UNREADABLE as error:
        raise BadBatch("unreadable", f'the body is no {{"data": […]}}: {why(error)}') from None
    return _each(raws, test, asset)


def _each(raws: list[msgspec.Raw], test: bool, asset: str) -> Iterator[Read]:
    if not raws:
        raise BadBatch("no_events", "the body has no events")
    if len(raws) > MAX_EVENTS:
        raise BadBatch("too_many_events", f"a request may have {MAX_EVENTS} events at most")
    return (_read(index, raw, test, asset) for index, raw in enumerate(raws))


def _read(index: int, raw: msgspec.Raw, test: bool, asset: str) -> Read:
    try:
        event = _object(bytes(raw))
        return _of_v3(index, event, test, asset) if asset else _of_v2(index, event, test)
    except Unacceptable as no:
        return no


def _object(raw: bytes) -> dict[str, Any]:
    if len(raw) > EVENT_BYTES:
        raise Unacceptable("too_large", f"the event has more than {EVENT_BYTES} bytes")
    try:
        event = decoded(_OBJECT, raw)
    except UNREADABLE as error:
        raise Unacceptable("unreadable", why(error)) from None
    check_properties(raw, event)
    return event


def _of_v2(index: int, event: dict[str, Any], test: bool) -> Report:
    scid = _scid(event.get("uuid_c1"), event.get("hashed_sc_cookie"))
    asset = text(event.get("pixel_id")) or text(event.get("snap_app_id"))
    address = text(event.get("hashed_ip_address"))
    hashed = pii.is_digest(address)
    return Report(
        batch=RawBatch(
            events=(
                RawEvent(
                    index=index,
                    name=event_name(event.get("event_type")),
                    id=event_id(event.get("client_dedup_id")),
                    time=event.get("timestamp"),
                    properties=event,
                    test=test,
                ),
            ),
            page_url=_url(event.get("page_url")),
            consent=consent_of((event,)),
            user={own: event[name] for name, own in _V2_PERSON.items() if name in event},
            click_id=valid(event.get("click_id")),
            pixels=(asset,) if asset else None,
        ),
        channel=conversion_type(event.get("event_conversion_type")) or "WEB",
        names=(scid,) if scid else (),
        scid=scid,
        address="" if hashed else canonical(address),
        address_sha256=address.lower() if hashed else "",
        user_agent=text(event.get("user_agent")),
    )


def _of_v3(index: int, event: dict[str, Any], test: bool, asset: str) -> Report:
    user = an_object(event.get("user_data"))
    scid = _scid(user.get("sc_cookie1"))
    properties = {**an_object(event.get("custom_data"))}
    for name in ("data_processing_options", "event_tag"):
        if name in event:
            properties.setdefault(name, event[name])
    return Report(
        batch=RawBatch(
            events=(
                RawEvent(
                    index=index,
                    name=event_name(event.get("event_name")),
                    id=event_id(event.get("event_id")),
                    time=event.get("event_time"),
                    properties=properties,
                    test=test,
                ),
            ),
            page_url=_url(event.get("event_source_url")),
            consent={"ad": False} if event.get("opt_out") is True else consent_of((event,)),
            user=user,
            click_id=valid(user.get("sc_click_id")),
            pixels=(asset,),
        ),
        channel=conversion_type(event.get("action_source")) or "WEB",
        names=(scid,) if scid else (),
        scid=scid,
        address=canonical(text(user.get("client_ip_address"))),
        user_agent=text(user.get("client_user_agent")),
    )


def _scid(*values: object) -> str:
    return next((one for one in values if isinstance(one, str) and valid_scid(one)), "")


def _url(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= _URL_CHARS else ""
