"""What one value may look like: each check takes a decoded JSON value and says what is wrong.

A check gives None for a good value, else a `Complaint`. No check knows a field's name, the clock or
the other fields; `edgeproxy.sandbox.rules` puts them together. No complaint repeats a value: it may
be somebody's e-mail address.
"""

import functools
import hashlib
import ipaddress
import re
from collections.abc import Callable
from typing import NamedTuple

from edgeproxy import currency


class Complaint(NamedTuple):
    """What is wrong with a value: a code for machines, the end of a sentence for people."""

    code: str
    says: str
    warns: bool = False  # accepted all the same


Check = Callable[[object], Complaint | None]

EMPTY = Complaint("empty", "is empty; leave the field out instead")
NULL = Complaint("empty", "is null; leave the field out instead")
PLACEHOLDER = Complaint(
    "empty", 'is a placeholder text such as "null"; leave the field out instead'
)
NOT_TEXT = Complaint("bad_type", "must be a text")
NOT_TEXTS = Complaint("bad_type", "must be an array of texts")
NOT_TEXT_OR_NUMBER = Complaint("bad_type", "must be a text or a number")
NOT_NUMBER = Complaint("bad_type", "must be a number")
NOT_NUMERIC = Complaint("bad_value", "must be a number or a text that is one")
NOT_INTEGER = Complaint("bad_type", "must be a whole number")
NOT_FLAG = Complaint("bad_type", "must be true or false")
NOT_OBJECT = Complaint("bad_type", "must be an object")
NOT_OBJECTS = Complaint("bad_type", "must be an array of objects")
UNHASHED = Complaint(
    "unhashed", "holds unhashed personal data; send its SHA-256 as 64 lower-case hex digits"
)
BAD_HASH = Complaint("bad_hash", "is not a SHA-256 digest of 64 lower-case hex digits")
UPPER_HASH = Complaint("bad_hash", "is a digest in upper case; Snap wants lower-case hex digits")
HASH_OF_NOTHING = Complaint("bad_hash", "is the digest of an empty or placeholder text")
HASHED = Complaint("hashed", "looks hashed; Snap wants it raw", warns=True)
HASHED_AGENT = Complaint("hashed", "is hashed; Snap wants the user agent raw")
BAD_IP = Complaint("bad_ip", "is not an IP address; Snap wants it raw here")
INNER_IP = Complaint("bad_ip", "is not the address of a visitor (private or local)", warns=True)
BAD_URL = Complaint("bad_value", "must be an http or https address with a host")
EMAIL_IN_URL = Complaint("unhashed", "holds what looks like an e-mail address", warns=True)
BAD_CURRENCY = Complaint("bad_value", "is not an ISO 4217 currency code")
NEGATIVE = Complaint("bad_value", "is negative", warns=True)
BAD_PIXEL = Complaint("bad_pixel", "is not the id of a pixel or app (a UUID)")
BAD_NAME = Complaint("bad_name", "is not one of Snap's event names")
CASE_OF_NAME = Complaint("bad_name", "must be written in upper case")
ZERO_ID = Complaint("bad_value", "is the all-zero id of a device that shares none", warns=True)
HASHED_ID = Complaint("hashed", "is hashed; Snap wants the device id raw here")
MISPLACED = Complaint("unknown_field", "has no effect in this place", warns=True)
UNKNOWN = Complaint("unknown_field", "is not a field Snap documents", warns=True)
NO_USE = Complaint("bad_value", "is not a known data processing option", warns=True)

_NAMES = """
    PURCHASE SAVE START_CHECKOUT ADD_CART VIEW_CONTENT ADD_BILLING SIGN_UP SEARCH PAGE_VIEW
    SUBSCRIBE AD_CLICK AD_VIEW COMPLETE_TUTORIAL LEVEL_COMPLETE INVITE LOGIN SHARE RESERVE
    ACHIEVEMENT_UNLOCKED ADD_TO_WISHLIST SPENT_CREDITS RATE START_TRIAL LIST_VIEW APP_INSTALL
    APP_OPEN CUSTOM_EVENT_1 CUSTOM_EVENT_2 CUSTOM_EVENT_3 CUSTOM_EVENT_4 CUSTOM_EVENT_5
"""
NAMES = frozenset(_NAMES.split())
"""Source: Snap, Conversions API, supported events (the same list in v2 and v3)."""

_NOTHING = frozenset({"null", "undefined", "nan", "[object object]"})
_SHORT = 16  # longer than any of them
_ZERO_ID = "00000000-0000-0000-0000-000000000000"
_DIGESTS_OF_NOTHING = frozenset(
    hashlib.sha256(word.encode()).hexdigest()
    for word in ("", " ", "null", "undefined", "none", "None", "NaN", _ZERO_ID)
)
_LOCAL_DIGESTS = frozenset(
    hashlib.sha256(word.encode()).hexdigest()
    for word in ("127.0.0.1", "::1", "0.0.0.0", "::", "localhost")  # noqa: S104 - names, no bind
)
_EXAMPLES = tuple(  # documentation ranges pass for visitors, so that examples work
    ipaddress.ip_network(net)
    for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)

_hex64 = re.compile(r"[0-9a-f]{64}").fullmatch
_any_hex64 = re.compile(r"[0-9A-Fa-f]{64}").fullmatch
_hexish = re.compile(r"[0-9A-Fa-f]{32,128}").fullmatch
_number_text = re.compile(r"-?\d{1,15}(\.\d{1,10})?").fullmatch
_uuid = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}").fullmatch
_url = re.compile(r"https?://[^\s/?#]+([/?#]\S*)?").fullmatch
_email = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+").fullmatch
_email_in_url = re.compile(r"[^\s/?#&=@]+(?:@|%40)[^\s/?#&=@]+\.[A-Za-z]{2}").search


def text(value: object) -> Complaint | None:
    """A text that says something."""
    if type(value) is not str:
        return NOT_TEXT
    if not value or value.isspace():
        return EMPTY
    return PLACEHOLDER if len(value) < _SHORT and value.lower() in _NOTHING else None


def text_or_number(value: object) -> Complaint | None:
    """Snap's v2 specification declares every field a text; numbers are taken in practice."""
    if type(value) is str:
        return text(value)
    return None if type(value) in (int, float) else NOT_TEXT_OR_NUMBER


def raw_text(value: object) -> Complaint | None:
    """A click id or cookie value, as it was found."""
    return HASHED if type(value) is str and _hex64(value) else text(value)


def user_agent(value: object) -> Complaint | None:
    """Raw; there is no hashed field for it. Source: Snap, Parameters ("do not hash")."""
    return HASHED_AGENT if type(value) is str and _any_hex64(value) else text(value)


def digest(value: object) -> Complaint | None:
    """A SHA-256 in lower-case hex of something, not of an empty or placeholder text."""
    if type(value) is not str:
        return NULL if value is None else BAD_HASH
    if _hex64(value):
        return HASH_OF_NOTHING if value in _DIGESTS_OF_NOTHING else None
    if _any_hex64(value):
        return UPPER_HASH
    return text(value) or (BAD_HASH if _hexish(value) else UNHASHED)


def ip_digest(value: object) -> Complaint | None:
    """The SHA-256 of an address; that of a loopback address is never a visitor's."""
    local = type(value) is str and value in _LOCAL_DIGESTS
    return INNER_IP if local else digest(value)


def digests(value: object) -> Complaint | None:
    """An array of SHA-256 digests, never a bare one."""
    return _each(value, digest)


def texts(value: object) -> Complaint | None:
    """An array of texts, never a bare one."""
    return _each(value, text)


def text_or_texts(value: object) -> Complaint | None:
    """One value or several; v2 takes both for lists."""
    return _each(value, text_or_number) if type(value) is list else text_or_number(value)


def external_id(value: object) -> Complaint | None:
    """The caller's own id of the visitor, one or several, hashed or opaque; never an address."""
    values = value if type(value) is list else [value]
    if any(type(one) is str and _email(one) for one in values):
        return UNHASHED
    return texts(values)


def device_id(value: object) -> Complaint | None:
    """A raw advertising id (v3). The all-zero id of a device that refuses tracking is no id."""
    if value == _ZERO_ID:
        return ZERO_ID
    return HASHED_ID if type(value) is str and _any_hex64(value) else text(value)


def amount(value: object) -> Complaint | None:
    """Money as a JSON number (v3); 0 is an amount."""
    if type(value) not in (int, float):
        return NOT_NUMBER
    return NEGATIVE if value < 0 else None  # type: ignore[operator]  # a number by now


def amount_or_text(value: object) -> Complaint | None:
    """Money as a number or as a text that is one (v2)."""
    if type(value) is str:
        return text(value) or (None if _number_text(value) else NOT_NUMERIC)
    return amount(value)


def number_text(value: object) -> Complaint | None:
    """A number written as a text, as in v3 `contents`."""
    return text(value) or (None if _number_text(str(value)) else NOT_NUMERIC)


def integer(value: object) -> Complaint | None:
    """A whole number, zero or more."""
    if type(value) is not int:
        return NOT_INTEGER
    return NEGATIVE if value < 0 else None


def integer_or_text(value: object) -> Complaint | None:
    """A whole number or a text that is one (v2)."""
    if type(value) is str:
        return text(value) or (None if value.isdecimal() else NOT_NUMERIC)
    return integer(value)


def flag(value: object) -> Complaint | None:
    """True or false; 0 and 1 pass, integrators send them."""
    return None if value in (0, 1) and type(value) in (bool, int) else NOT_FLAG


def currency_code(value: object) -> Complaint | None:
    """An ISO 4217 code in any case: Snap's own examples write "usd"."""
    return text(value) or (None if currency.code(value) else BAD_CURRENCY)


def url(value: object) -> Complaint | None:
    """An absolute http(s) address."""
    if type(value) is not str or not _url(value):
        return text(value) or BAD_URL
    if "@" in value or "%40" in value:
        return EMAIL_IN_URL if _email_in_url(value) else None
    return None


def address(value: object) -> Complaint | None:
    """A raw IP address. Source: Snap, Parameters, `client_ip_address` ("do not hash")."""
    return _address(value) if type(value) is str else BAD_IP


@functools.lru_cache(4096)
def _address(value: str) -> Complaint | None:
    try:
        parsed = ipaddress.ip_address(value)
    except ValueError:
        return BAD_IP
    if "%" in value:
        return BAD_IP
    example = any(parsed in net for net in _EXAMPLES if net.version == parsed.version)
    return None if example or (parsed.is_global and not parsed.is_multicast) else INNER_IP


def asset(value: object) -> Complaint | None:
    """A pixel or Snap app id: a UUID."""
    return None if type(value) is str and _uuid(value) else BAD_PIXEL


def name(value: object) -> Complaint | None:
    """One of `NAMES`, exactly."""
    if type(value) is str:
        if value in NAMES:
            return None
        return CASE_OF_NAME if value.upper() in NAMES else BAD_NAME
    return NOT_TEXT


def data_use(value: object) -> Complaint | None:
    """v2's limited data use: `["lmu"]`, or the same written as one text."""
    if type(value) is str:
        value = [part.strip(" '\"") for part in value.strip("[] ").split(",")]
    return processing_options(value)


def processing_options(value: object) -> Complaint | None:
    """v3's limited data use: an array; a text that looks like a list is none."""
    wrong = texts(value)
    if wrong is None and any(one.upper() not in ("LMU", "LDU") for one in value):  # type: ignore[attr-defined]
        return NO_USE
    return wrong


def anything(_: object) -> Complaint | None:
    """A field that another rule looks at, or that Snap gives no shape."""
    return None


def misplaced(_: object) -> Complaint:
    """A field of another object, which Snap does not look for here."""
    return MISPLACED


def unknown(value: object) -> Complaint:
    """A field nobody documents: allowed, unless it carries an e-mail address in the clear."""
    return UNHASHED if type(value) is str and _email(value) else UNKNOWN


def one_of(*allowed: str) -> Check:
    """A check for a closed list of texts."""
    wrong = Complaint("bad_value", f"must be one of {', '.join(allowed)}")
    known = frozenset(allowed)

    def check(value: object) -> Complaint | None:
        return None if type(value) is str and value in known else wrong

    return check


def _each(value: object, check: Check) -> Complaint | None:
    if type(value) is not list:
        return NOT_TEXTS
    if not value:
        return EMPTY
    for one in value:
        if (wrong := check(one)) is not None:
            return wrong
    return None
