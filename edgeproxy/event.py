"""The canonical event: hashed, free of Snap's wire, and what the store keeps as `body`.

Encode and decode only. Every personal value is a SHA-256 hex digest before a struct of this module
exists; what dialects may need raw travels apart, sealed, as `Sealed`.
"""

from decimal import Decimal
from typing import Literal

import msgspec

Channel = Literal["WEB", "MOBILE_APP", "OFFLINE"]


class Person(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Who it was, as SHA-256 hex digests by Snap's normalisation; "" is unknown.

    Two digests of the city, because v2 keeps inner blanks and v3 does not.
    """

    email_sha256: str = ""
    phone_sha256: str = ""
    first_name_sha256: str = ""
    last_name_sha256: str = ""
    city_sha256: str = ""
    city_compact_sha256: str = ""
    state_sha256: str = ""
    zip_sha256: str = ""
    country_sha256: str = ""
    external_id_sha256: str = ""
    mobile_ad_id_sha256: str = ""
    idfv_sha256: str = ""


class Line(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One line of a cart or an order. `id` is "" when the caller gave none."""

    id: str = ""
    quantity: Decimal = Decimal(1)
    price: Decimal | None = None
    brand: str = ""


class Goods(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What it was about. Money is exact; `currency` is ISO 4217 in upper case or ""."""

    price: Decimal | None = None
    currency: str = ""
    order_id: str = ""
    number_items: Decimal | None = None
    item_ids: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    category: str = ""
    brands: tuple[str, ...] = ()
    description: str = ""
    level: str = ""
    search_string: str = ""
    sign_up_method: str = ""
    travel: dict[str, str] = {}


class Device(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What the user agent says about the device; family names only, never the raw text."""

    model: str = ""
    os_version: str = ""
    os: str = ""
    browser: str = ""


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One thing that happened, for one integration, before it knows any wire version.

    Times in Unix ms. `id` is the dedup id on the wire. `name` is Snap's event name. `privacy` is
    the profile at acceptance. `address_hmac` and `agent_hmac` are under a local key, for traces.
    """

    id: str
    name: str
    time_ms: int
    source: str
    channel: Channel = "WEB"
    privacy: Literal["match", "strict"] = "match"
    label: str = ""
    page_url: str = ""
    test: bool = False
    limited: bool = False
    scid: str = ""
    click_id: str = ""
    who: Person = Person()
    goods: Goods = Goods()
    device: Device = Device()
    address_hmac: str = ""
    agent_hmac: str = ""


class Sealed(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What only the wire may see; lies encrypted beside the event and dies when it is settled.

    `bound_to` is the row's integration and visitor (or key), compared at opening.
    """

    bound_to: str
    user_agent: str = ""
    user_agent_sha256: str = ""
    address: str = ""
    address_sha256: str = ""
    mobile_ad_id: str = ""
    idfv: str = ""


_ENCODER = msgspec.json.Encoder()
_EVENT = msgspec.json.Decoder(Event)
_PERSON = msgspec.json.Decoder(Person)


def encode_event(event: Event) -> bytes:
    """The event as JSON, decimals as texts, defaults left out."""
    return _ENCODER.encode(event)


def decode_event(body: bytes) -> Event:
    """The event of a stored body; raises msgspec.DecodeError for anything else."""
    return _EVENT.decode(body)


def readable_event(body: bytes) -> Event | None:
    """The event of a stored body, None for one that cannot be read; never raises."""
    try:
        return decode_event(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def encode_person(person: Person) -> bytes:
    """The known digests as a flat JSON object of texts; `b"{}"` when nothing is known."""
    return _ENCODER.encode(person)


def decode_person(body: bytes) -> Person:
    """The digests of a stored identity; raises msgspec.DecodeError for anything else."""
    return _PERSON.decode(body)


def merge_person(event: Person, known: Person) -> Person:
    """The event's own digests, completed by what is known of the visitor."""
    changes = {
        name: getattr(known, name)
        for name in Person.__struct_fields__
        if not getattr(event, name) and getattr(known, name)
    }
    return msgspec.structs.replace(event, **changes) if changes else event
