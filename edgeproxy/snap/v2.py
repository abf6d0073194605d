"""Snap's Conversions API v2: flat objects, milliseconds, hashed IP address, bearer token.

Source: Snap, Conversions API v2 (business SDK and its OpenAPI file).
"""

from collections.abc import Sequence

from edgeproxy.event import Device, Event, Goods, Person, Sealed
from edgeproxy.pii import sha256_hex
from edgeproxy.sites import Integration
from edgeproxy.snap.dialect import (
    WIRE,
    app_target,
    low_match,
    number,
    opened_for,
    require_money,
)
from edgeproxy.wire import Endpoint, WireEvent, WireRequest

_NOBODY, _NO_GOODS = Person(), Goods()
_LIMITED = ("lmu",)

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
    address_sha256 = seen.address_sha256 or sha256_hex(seen.address)
    fields = _target(event, integration)
    fields |= {
        "event_type": event.name,
        "event_conversion_type": event.channel,
        "timestamp": event.time_ms,
        "event_tag": event.label or event.id,
        "client_dedup_id": event.id,
    }
    if event.page_url and event.channel == "WEB":
        fields["page_url"] = event.page_url
    if seen.user_agent:
        fields["user_agent"] = seen.user_agent
    elif seen.user_agent_sha256:
        fields["hashed_user_agent"] = seen.user_agent_sha256
    if address_sha256:
        fields["hashed_ip_address"] = address_sha256
    if event.who != _NOBODY:
        fields |= _person(event.who)
    if event.click_id:
        fields["click_id"] = event.click_id
    if event.scid:
        fields["uuid_c1"] = fields["hashed_sc_cookie"] = event.scid
    if event.goods != _NO_GOODS:
        fields |= _bought(event.goods)
        fields |= _described(event.goods)
    fields |= _device(event.device)
    if event.limited or integration.limited_data_use:
        fields["data_use"] = _LIMITED
    return WireEvent(
        fields=fields,
        low_match=low_match(
            event,
            address=bool(address_sha256),
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
    return {"pixel_id": integration.pixel_id} if integration.pixel_id else {}


# One field after another, because it is done for each event and nothing is quicker.


def _person(who: Person) -> dict[str, object]:
    fields: dict[str, object] = {}
    if who.email_sha256:
        fields["hashed_email"] = who.email_sha256
    if who.phone_sha256:
        fields["hashed_phone_number"] = who.phone_sha256
    if who.first_name_sha256:
        fields["hashed_first_name_sha"] = who.first_name_sha256
    if who.last_name_sha256:
        fields["hashed_last_name_sha"] = who.last_name_sha256
    if who.city_sha256:
        fields["hashed_city_sha"] = who.city_sha256
    if who.state_sha256:
        fields["hashed_state_sha"] = who.state_sha256
    if who.zip_sha256:
        fields["hashed_zip"] = who.zip_sha256
    if who.mobile_ad_id_sha256:
        fields["hashed_mobile_ad_id"] = who.mobile_ad_id_sha256
    if who.idfv_sha256:
        fields["hashed_idfv"] = who.idfv_sha256
    return fields


def _device(device: Device) -> dict[str, object]:
    fields: dict[str, object] = {}
    if device.model:
        fields["device_model"] = device.model
    if device.os_version:
        fields["os_version"] = device.os_version
    return fields


def _bought(goods: Goods) -> dict[str, object]:
    fields: dict[str, object] = {}
    if goods.price is not None:
        fields["price"] = number(goods.price)
    if goods.currency:
        fields["currency"] = goods.currency
    if goods.order_id:
        fields["transaction_id"] = goods.order_id
    if goods.number_items is not None:
        fields["number_items"] = number(goods.number_items)
    return fields


def _described(goods: Goods) -> dict[str, object]:
    fields: dict[str, object] = {}
    if goods.item_ids:
        fields["item_ids"] = goods.item_ids
    if goods.category:
        fields["item_category"] = goods.category
    if goods.brands:
        fields["brands"] = goods.brands
    if goods.description:
        fields["description"] = goods.description
    if goods.search_string:
        fields["search_string"] = goods.search_string
    if goods.sign_up_method:
        fields["sign_up_method"] = goods.sign_up_method
    if goods.level:
        fields["level"] = goods.level
    return fields
