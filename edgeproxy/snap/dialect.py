"""What a wire version is, and the few rules that all versions share.

A dialect is pure: an event in, an object and a request out. Fields are left out when they say
nothing; 0 and False say something.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from edgeproxy.errors import CannotMap
from edgeproxy.event import Event, Sealed
from edgeproxy.pii import sha256_hex
from edgeproxy.sites import Integration
from edgeproxy.wire import Endpoint, WireEvent, WireRequest

Encode = Callable[[Event, Integration, Sealed | None], WireEvent]
Request = Callable[[Sequence[WireEvent], Integration, Endpoint], WireRequest]


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One wire version.

    Attributes:
        name: As in the configuration.
        max_batch: Most events that Snap takes in one request.
        encode: Maps one event; raises CannotMap with the reason of its dead letter.
        request: Puts events of one `WireEvent.target` into one request.
    """

    name: str
    max_batch: int
    encode: Encode
    request: Request


WIRE = msgspec.json.Encoder(decimal_format="number")
"""Writes Decimal as a JSON number with all its digits."""

_NOTHING = Sealed(bound_to="")


def present(**fields: object) -> dict[str, object]:
    """The fields that say something: None, "", () and {} are left out, 0 and False are not."""
    return {name: value for name, value in fields.items() if value or value == 0}


def require_money(event: Event) -> None:
    """Refuse a PURCHASE that lacks price or currency; Snap refuses it too.

    Source: Snap, Conversions API, Parameters page.
    """
    if event.name == "PURCHASE" and (event.goods.price is None or not event.goods.currency):
        lacking = "currency" if event.goods.price is not None else "price"
        raise CannotMap(
            "missing_price", f"a PURCHASE needs price and currency; it has no {lacking}"
        )


def low_match(event: Event, *, address: bool, agent: bool, ad_id: bool) -> bool:
    """Whether Snap's minimum of identifiers is missed; raises when there is none at all.

    Args:
        event: What is to be sent.
        address: Whether an IP address goes out in the form that Snap documents.
        agent: Whether a user agent does.
        ad_id: Whether a mobile ad id does.

    Raises:
        CannotMap: `no_identifier`.

    Source: Snap, Conversions API, Parameters page (the minimum set).
    """
    who = event.who
    if who.email_sha256 or who.phone_sha256 or ad_id or (address and agent):
        return False
    if event.click_id or event.scid:
        return True
    raise CannotMap(
        "no_identifier",
        "no e-mail, phone, mobile ad id, IP address with user agent, click id or _scid: "
        "Snap could match it to nobody",
    )


def opened_for(event: Event, integration: Integration, opened: Sealed | None) -> Sealed:
    """The unsealed extras under the stricter of the two privacy profiles.

    A profile may become stricter after acceptance, never laxer.
    """
    if opened is None:
        return _NOTHING
    if event.privacy == "strict" or integration.privacy == "strict":
        return Sealed(
            bound_to=opened.bound_to,
            user_agent_sha256=opened.user_agent_sha256 or sha256_hex(opened.user_agent),
            address_sha256=opened.address_sha256 or sha256_hex(opened.address),
            mobile_ad_id=opened.mobile_ad_id,
            idfv=opened.idfv,
        )
    return opened


def number(value: Decimal | None) -> Decimal | int | None:
    """A decimal for the wire: whole numbers as integers, others without trailing zeros."""
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else value.normalize()


def text(value: Decimal | None) -> str:
    """The shortest plain text of a decimal ("49.99", "5"); "" for None."""
    return "" if value is None else format(value.normalize() + 0, "f")


def app_target(integration: Integration) -> str:
    """The Snap app id; raises when the integration has no app to send app events to."""
    if not (integration.snap_app_id and integration.app_id):
        raise CannotMap(
            "unrenderable", "an app event needs snap_app_id and app_id in the integration"
        )
    return integration.snap_app_id
