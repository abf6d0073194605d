"""Snap's Conversions API v3: nested objects, whole seconds, raw IP address, token in the query.

Source: Snap, Conversions API v3 documentation and its OpenAPI file.
"""

import math
from collections.abc import Sequence

from edgeproxy.event import Event, Goods, Line, Person, Sealed
from edgeproxy.sites import Integration
from edgeproxy.snap.dialect import (
    WIRE,
    app_target,
    low_match,
    number,
    opened_for,
    present,
    require_money,
    text,
)
from edgeproxy.wire import Endpoint, WireEvent, WireRequest


def encode(event: Event, integration: Integration, opened: Sealed | None) -> WireEvent:
    """Map one canonical event to one v3 object.

    Args:
        event: Times in Unix ms; personal data already SHA-256 hex; money as Decimal.
        integration: Whose pixel or app, and its privacy profile.
        opened: The unsealed extras, or None after erasure or for an event that had none.

    Returns:
        `event_time` in whole seconds, cut and not rounded, the same on every attempt. Digests
        stand in arrays. IP address and user agent are raw under `match` and absent under
        `strict`, because v3 has no hashed field for them.

    Raises:
        CannotMap: `missing_price`, `no_identifier` or `unrenderable`.
    """
    require_money(event)
    seen = opened_for(event, integration, opened)
    app = event.channel == "MOBILE_APP"
    fields = present(
        event_name=event.name,
        event_time=event.time_ms // 1000,
        action_source=event.channel,
        event_source_url=event.page_url if event.channel == "WEB" else "",
        event_id=event.id,
        user_data=_user_data(event, seen),
        custom_data=_custom_data(event),
        app_data=_app_data(event, integration) if app else {},
        data_processing_options=("LMU",) if event.limited or integration.limited_data_use else (),
    )
    return WireEvent(
        fields=fields,
        low_match=low_match(
            event,
            address=bool(seen.address),
            agent=bool(seen.user_agent),
            ad_id=bool(seen.mobile_ad_id),
        ),
        target=app_target(integration) if app else integration.pixel_id,
    )


def request(
    events: Sequence[WireEvent], integration: Integration, endpoint: Endpoint
) -> WireRequest:
    """One request for events of one target; the token goes into the query."""
    path = f"/v3/{events[0].target}/events"
    return WireRequest(
        path=path if endpoint == "live" else f"{path}/validate",
        body=WIRE.encode({"data": [event.fields for event in events]}),
        token_in="query",  # noqa: S106 - a place, not a token
        events=len(events),
    )


def _user_data(event: Event, seen: Sealed) -> dict[str, object]:
    return present(
        **_digests(event.who),
        external_id=event.who.external_id_sha256,
        client_ip_address=seen.address,
        client_user_agent=seen.user_agent,
        sc_click_id=event.click_id,
        sc_cookie1=event.scid,
        madid=seen.mobile_ad_id,
        idfv=seen.idfv,
    )


def _digests(who: Person) -> dict[str, object]:
    return {
        name: (digest,)
        for name, digest in (
            ("em", who.email_sha256),
            ("ph", who.phone_sha256),
            ("fn", who.first_name_sha256),
            ("ln", who.last_name_sha256),
            ("ct", who.city_compact_sha256),
            ("st", who.state_sha256),
            ("zp", who.zip_sha256),
            ("country", who.country_sha256),
        )
        if digest
    }


def _custom_data(event: Event) -> dict[str, object]:
    goods = event.goods
    return present(
        currency=goods.currency,
        value=number(goods.price),
        content_ids=goods.item_ids,
        content_category=goods.category,
        contents=[_content(line) for line in goods.lines if line.id],
        num_items=_whole(goods),
        order_id=goods.order_id,
        search_string=goods.search_string,
        sign_up_method=goods.sign_up_method,
        brands=",".join(goods.brands),
        event_tag=event.label,
        **goods.travel,
    )


def _content(line: Line) -> dict[str, object]:
    return present(
        id=line.id, quantity=text(line.quantity), item_price=text(line.price), brand=line.brand
    )


def _whole(goods: Goods) -> int | None:
    """The number of items as the integer that v3 asks for; 1.5 kg of something counts as 2."""
    return None if goods.number_items is None else math.ceil(goods.number_items)


def _app_data(event: Event, integration: Integration) -> dict[str, object]:
    system = {"iOS": "i2", "Android": "a2"}.get(event.device.os)
    known = {0: system or "", 1: integration.app_id, 4: event.device.os_version}
    known[5] = event.device.model
    return present(
        app_id=integration.app_id,
        extinfo=[known.get(place, "") for place in range(16)] if system else [],
    )
