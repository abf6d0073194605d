"""Snap's Conversions API v2: flat objects, milliseconds, hashed IP address, bearer token.

Source: Snap, Conversions API v2 (business SDK and its OpenAPI file).
"""

from collections.abc import Sequence

from edgeproxy.event import Event, Goods, Person, Sealed
from edgeproxy.sites import Integration
from edgeproxy.snap.dialect import (
    WIRE,
    app_target,
    low_match,
    number,
    opened_for,
    present,
    require_money,
)
from edgeproxy.wire import Endpoint, WireEvent, WireRequest

_PATHS: dict[Endpoint, str] = {"live": "/v2/conversion", "validate": "/v2/conversion/validate"}


def encode(event: Event, integration: Integration, opened: Sealed | None) -> WireEvent:
    """Map one canonical event to one flat v2 object.

    Args:
        event: Times in Unix ms; personal data already SHA-256 hex; money as Decimal.
        integration: Whose pixel or app, and its privacy profile.
        opened: The unsealed extras, or None after erasure or for an event that had none.

    Returns:
        A flat object without empty fields. `timestamp` is a number of ms, the same on every
        attempt. `uuid_c1` and `hashed_sc_cookie` both hold the raw `_scid`: the first is Snap's
        name for it, the second one that Snap's partners use.

    Raises:
        CannotMap: `missing_price`, `no_identifier` or `unrenderable`.
    """
    require_money(event)
    seen = opened_for(event, integration, opened)
    fields = present(
        **_target(event, integration),
        event_type=event.name,
        event_conversion_type=event.channel,
        timestamp=event.time_ms,
        event_tag=event.label or event.id,
        client_dedup_id=event.id,
        page_url=event.page_url if event.channel == "WEB" else "",
        user_agent=seen.user_agent,
        hashed_user_agent="" if seen.user_agent else seen.user_agent_sha256,
        hashed_ip_address=seen.address_sha256,
        **_person(event.who),
        click_id=event.click_id,
        uuid_c1=event.scid,
        hashed_sc_cookie=event.scid,
        **_goods(event.goods),
        device_model=event.device.model,
        os_version=event.device.os_version,
        data_use=("lmu",) if event.limited or integration.limited_data_use else (),
    )
    return WireEvent(
        fields=fields,
        low_match=low_match(
            event,
            address=bool(seen.address_sha256),
            agent=bool(seen.user_agent),
            ad_id=bool(event.who.mobile_ad_id_sha256),
        ),
    )


def request(
    events: Sequence[WireEvent], integration: Integration, endpoint: Endpoint
) -> WireRequest:
    """One request: a single object for one event, an array for several."""
    objects = [event.fields for event in events]
    body = WIRE.encode(objects[0] if len(objects) == 1 else objects)
    return WireRequest(
        path=_PATHS[endpoint],
        body=body,
        token_in="header",  # noqa: S106 - a place, not a token
        events=len(objects),
    )


def _target(event: Event, integration: Integration) -> dict[str, object]:
    if event.channel == "MOBILE_APP":
        return {"snap_app_id": app_target(integration), "app_id": integration.app_id}
    return {"pixel_id": integration.pixel_id}


def _person(who: Person) -> dict[str, object]:
    return {
        "hashed_email": who.email_sha256,
        "hashed_phone_number": who.phone_sha256,
        "hashed_first_name_sha": who.first_name_sha256,
        "hashed_last_name_sha": who.last_name_sha256,
        "hashed_city_sha": who.city_sha256,
        "hashed_state_sha": who.state_sha256,
        "hashed_zip": who.zip_sha256,
        "hashed_mobile_ad_id": who.mobile_ad_id_sha256,
        "hashed_idfv": who.idfv_sha256,
    }


def _goods(goods: Goods) -> dict[str, object]:
    return {
        "price": number(goods.price),
        "currency": goods.currency,
        "transaction_id": goods.order_id,
        "number_items": number(goods.number_items),
        "item_ids": goods.item_ids,
        "item_category": goods.category,
        "brands": goods.brands,
        "description": goods.description,
        "search_string": goods.search_string,
        "sign_up_method": goods.sign_up_method,
        "level": goods.level,
    }
