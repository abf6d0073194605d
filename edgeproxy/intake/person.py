"""Who an event is about: user fields of any caller, hashed at once.

After this module no e-mail, phone number, name or address part exists in the clear.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from edgeproxy import pii
from edgeproxy.event import Person
from edgeproxy.intake.spelling import fold

NOBODY = Person()
"""Of whom nothing is known."""

NAMES: dict[str, tuple[str, ...]] = {
    "email": ("email", "emailaddress", "useremail", "userhashedemail", "hashedemail", "em"),
    "phone": (
        "phone",
        "phonenumber",
        "userphonenumber",
        "userhashedphonenumber",
        "hashedphonenumber",
        "ph",
    ),
    "external_id": ("externalid", "userid"),
    "first_name": ("firstname", "fn"),
    "last_name": ("lastname", "ln"),
    "city": ("city", "geocity", "ct"),
    "state": ("state", "region", "georegion", "st"),
    "zip": ("zip", "postalcode", "geopostalcode", "zp"),
    "country": ("country", "geocountry"),
    "mobile_ad_id": ("mobileadid", "usermobileadid", "userhashedmobileadid", "madid"),
    "idfv": ("idfv",),
}
"""Field → the folded names it is accepted under, first usable one wins.

Source: Snap's pixel and Conversions API, Segment's traits, GA4's user-provided data.
"""


class Known(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The digests, and the two device ids that one wire version wants raw (sealed from here on)."""

    person: Person = NOBODY
    mobile_ad_id: str = ""
    idfv: str = ""


_NOTHING = Known()


def read_person(user: Mapping[str, Any], default_country: str) -> Known:
    """Hash what the caller says of a person.

    Args:
        user: Any of the names in `NAMES` in any letter case and separator, and an `address`
            (an object or a list of them).
        default_country: For phone numbers without a country code; "" for none.
    """
    if not user:
        return _NOTHING
    fields = _folded(user)
    own_country = _country(fields)
    country = own_country or default_country
    phone_country = default_country or own_country

    def digest(field: str, hashed: Callable[[object], str]) -> str:
        names = NAMES[field]
        if fields.keys().isdisjoint(names):
            return ""
        given = (value for name in names for value in fields.get(name, ()))
        return next((found for value in given if (found := hashed(value))), "")

    return Known(
        person=Person(
            email_sha256=digest("email", pii.email_sha256),
            phone_sha256=digest("phone", lambda value: pii.phone_sha256(value, phone_country)),
            first_name_sha256=digest("first_name", pii.first_name_sha256),
            last_name_sha256=digest("last_name", pii.last_name_sha256),
            city_sha256=digest("city", pii.city_sha256),
            city_compact_sha256=digest("city", pii.city_compact_sha256),
            state_sha256=digest("state", pii.state_sha256),
            zip_sha256=digest("zip", lambda value: pii.zip_sha256(value, country)),
            country_sha256=digest("country", pii.country_sha256),
            external_id_sha256=digest("external_id", pii.external_id_sha256),
            mobile_ad_id_sha256=digest("mobile_ad_id", pii.mobile_ad_id_sha256),
            idfv_sha256=digest("idfv", pii.mobile_ad_id_sha256),
        ),
        mobile_ad_id=digest("mobile_ad_id", pii.mobile_ad_id),
        idfv=digest("idfv", pii.mobile_ad_id),
    )


def person_in(properties: Mapping[str, Any], default_country: str) -> Person:
    """What an event's own properties say of a person, under the names of Snap's pixel alone.

    Other names may mean anything there: a "city" may be where a hotel is.
    """
    told = {key: value for key, value in properties.items() if fold(key) in PIXEL_NAMES}
    return read_person(told, default_country).person if told else NOBODY


PIXEL_NAMES = frozenset(
    {
        "useremail",
        "userhashedemail",
        "userphonenumber",
        "userhashedphonenumber",
        "usermobileadid",
        "userhashedmobileadid",
        "firstname",
        "lastname",
        "geocity",
        "geocountry",
        "georegion",
        "geopostalcode",
    }
)
"""The folded names that can only be a person's. Source: Snap's pixel, parameters of `track`."""


def _folded(user: Mapping[str, Any]) -> dict[str, list[object]]:
    """All values by folded name, the person's own before those of the address."""
    fields: dict[str, list[object]] = {}
    address = user.get("address")
    if isinstance(address, list):
        address = address[0] if address else None
    for part in (user, address if isinstance(address, dict) else {}):
        for name, value in part.items():
            fields.setdefault(fold(name), []).append(_single(value))
    return fields


def _single(value: object) -> object:
    """The first of a list (v3 shapes have arrays), the value itself otherwise."""
    if isinstance(value, list):
        return value[0] if value else None
    return value


def _country(fields: Mapping[str, Sequence[object]]) -> str:
    """The person's country as an upper-case ISO 3166 alpha-2 code, "" when it is none."""
    for value in (one for name in NAMES["country"] for one in fields.get(name, ())):
        if isinstance(value, str) and len(value.strip()) == 2 and value.strip().isascii():
            return value.strip().upper()
    return ""
