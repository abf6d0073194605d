"""Personal values: normalised by Snap's rules, then SHA-256 in lower-case hex.

Each function takes whatever a caller sent, of any type, and gives "" for what is left out: nothing
usable, a placeholder, or nothing left after normalising. None raises. 64 hex digits are taken as
already hashed. Nothing is cached, because that would keep people in memory.

Source: Snap, Conversions API, Parameters page; Snap, Business SDK for v2 (unit tests). Snap's
published vectors:

>>> email_sha256("Person@Example.com")
'542d240129883c019e106e3b1b2d3f3cb3537c43c425364de8e951d5a3083345'
>>> phone_sha256("+44 844 412 4653", "")
'dc008fda46e2e64002cf2f82a4906236282d431c4f75e5b60bfe79fc48546383'
>>> first_name_sha256("John")
'96d9632f363564cc3032521409cf22a852f2032eec099ed5967c0d000cec607a'
>>> first_name_sha256("Raphaël")
'e74bb89e718fe1e19c422a48382870399f8bf7ca8dfa008739e75b0be76627b7'
>>> phone_sha256("+44-0447-234-2344", "") == phone_sha256("0044-447-234-2344", "")
True
>>> phone_sha256("0044-447-234-2344", "")
'19f25a18866af88fc60189c3af85010a0b971cf976053787fe21e004538c20a0'
>>> phone_sha256("447-234-2344", "US")
'34053b331d29734f081bf74160cd33bc2f621b3b6f8ec991500bebf49f14e014'
"""

import hashlib
import re
import string
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
"""The digest of nothing, which some senders compute; it is nobody."""

_DIGEST = re.compile(r"[0-9A-Fa-f]{64}")
_PLACEHOLDER = re.compile(
    r"null|undefined|\(not set\)|\[object object\]|__\w*__|\{\{.*\}\}|\$\{.*\}", re.IGNORECASE
)
"""What templates and scripts send when they have no value (`__INSERT_USER_EMAIL__`)."""

_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
_BLANK_OR_CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")
_ZEROS = re.compile(r"[0-]*")

_MAX_NUMBER = 10**40
"""Larger numbers identify nobody, and Python refuses to write very long ones."""

_MAX_PHONE_CHARS = 250
_TEL = re.compile(r"\A\s*tel[:.]*", re.IGNORECASE)
_EXTENSION = re.compile(
    r"[\s;,]*(?:ext(?:ension|n)?|anexo|доб|x|#)[\s.:=]*[0-9]{1,7}#?\s*\Z", re.IGNORECASE
)
_SEPARATORS = str.maketrans("", "", " \t\r\n\v\f()[]./~-")
_DIALLED = re.compile(r"\+?[0-9]+")
_NORTH_AMERICAN = re.compile(r"\+1[2-9][0-9]{9}")
"""Complete, possible and without a trunk digit: the library, which takes its time, agrees."""


def sha256_hex(text: str) -> str:
    """SHA-256 of the UTF-8 text in lower-case hex; "" for "" and for what has no UTF-8."""
    try:
        return hashlib.sha256(text.encode()).hexdigest() if text else ""
    except UnicodeEncodeError:
        return ""


def is_digest(text: str) -> bool:
    """Whether the text is a SHA-256 already: 64 hex digits, blanks around them cut."""
    return _DIGEST.fullmatch(text.strip()) is not None


def email_sha256(value: object) -> str:
    """Trimmed and in lower case; one "@" with text on both sides and no blank within."""
    return _hashed(value, _email)


def phone_sha256(value: object, country: str) -> str:
    """Digits with the country code and no "+"; see `phone_digits`."""
    return _hashed(value, lambda text: phone_digits(text, country))


def first_name_sha256(value: object) -> str:
    """NFC, lower case, without punctuation; accents, scripts and inner blanks stay."""
    return _hashed(value, _plain)


def last_name_sha256(value: object) -> str:
    """As the first name."""
    return _hashed(value, _plain)


def city_sha256(value: object) -> str:
    """The city for v2, which keeps inner blanks: "los angeles"."""
    return _hashed(value, _plain)


def city_compact_sha256(value: object) -> str:
    """The city for v3, without blanks: "losangeles"."""
    return _hashed(value, _compact)


def state_sha256(value: object) -> str:
    """Lower case, neither blanks nor punctuation: "ca"."""
    return _hashed(value, _compact)


def zip_sha256(value: object, country: str) -> str:
    """Lower case, neither blanks nor hyphens; the first five characters for the "US"."""
    digits = 5 if _region(country) == "US" else None
    return _hashed(value, lambda text: _compact(text)[:digits])


def country_sha256(value: object) -> str:
    """ISO 3166 alpha-2 in lower case; anything but two letters is left out."""
    return _hashed(value, _country)


def external_id_sha256(value: object) -> str:
    """The caller's own id for the person, trimmed, its letter case kept."""
    return _hashed(value, str.strip)


def mobile_ad_id(value: object) -> str:
    """An advertising id or `idfv` in lower case, raw; "" for all zeros and for a digest."""
    text = _text(value)
    return "" if _DIGEST.fullmatch(text) else _device_id(text)


def mobile_ad_id_sha256(value: object) -> str:
    """The digest of `mobile_ad_id`, or the digest that was given."""
    return _hashed(value, _device_id)


def phone_digits(text: str, country: str) -> str:
    """A phone number as country code and national number, digits only.

    "+", "00" or the country's own exit code make a number complete; otherwise the country decides,
    and without one the number is left out, because a guess would match somebody else. The number
    has to be possible for its country, not assigned. A trunk zero and an extension are cut; letters
    between digits make it no number.

    Args:
        text: As typed, in any script.
        country: ISO 3166 alpha-2 of the number's owner or the site, or "".

    Returns:
        The digits, or "" when it is no possible number.
    """
    dialled = _dialled(text)
    if not dialled:
        return ""
    if _NORTH_AMERICAN.fullmatch(dialled):
        return dialled[1:]
    region = _region(country) or None
    attempts = [(dialled, region)]
    if dialled.startswith("00"):
        attempts.insert(0, ("+" + dialled[2:], None))
    readings = [number for attempt in attempts for number in _readings(*attempt)]
    return _best(readings)


def warm() -> None:
    """Load the phone metadata's code now, so that the first visitor does not wait for it."""
    phone_digits("+15551234567", "")


def _hashed(value: object, normalise: Callable[[str], str]) -> str:
    text = _text(value)
    if not text:
        return ""
    if _DIGEST.fullmatch(text):
        digest = text.lower()
        return "" if digest == EMPTY_SHA256 else digest
    return sha256_hex(normalise(text))


def _text(value: object) -> str:
    """The trimmed text of a text or a whole number; "" for other types and for placeholders."""
    if isinstance(value, str):
        text = value.strip()
        return "" if _PLACEHOLDER.fullmatch(text) else text
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_NUMBER:
        return str(value)
    return ""


def _email(text: str) -> str:
    local, _, domain = text.partition("@")
    if not local or not domain or "@" in domain or _BLANK_OR_CONTROL.search(text):
        return ""
    return text.lower()


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower().translate(_ASCII_PUNCTUATION).strip()
    normal = unicodedata.normalize("NFC", text).lower()
    return "".join(char for char in normal if unicodedata.category(char)[0] not in "PS").strip()


def _compact(text: str) -> str:
    return "".join(_plain(text).split())


def _country(text: str) -> str:
    return text.lower() if len(text) == 2 and text.isascii() and text.isalpha() else ""


def _device_id(text: str) -> str:
    if _BLANK_OR_CONTROL.search(text) or _ZEROS.fullmatch(text):
        return ""
    return text.lower()


def _region(country: object) -> str:
    return country.strip().upper() if isinstance(country, str) else ""


def _dialled(text: str) -> str:
    """What one would dial: digits, perhaps after a "+"; "" when it is no number."""
    if len(text) > _MAX_PHONE_CHARS:
        return ""
    plain = text if text.isascii() else _latin(text)
    plain = _EXTENSION.sub("", _TEL.sub("", plain))
    compact = plain.translate(_SEPARATORS)
    if _DIALLED.fullmatch(compact) is None:
        return ""
    return compact if not compact.startswith("+00") else "+" + compact[3:]


def _latin(text: str) -> str:
    """Digits of any script as ASCII, every dash a "-", invisible characters gone."""
    return "".join(_latin_char(char) for char in unicodedata.normalize("NFKC", text))


def _latin_char(char: str) -> str:
    if char.isascii():
        return char
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    return {"Cf": "", "Pd": "-", "Zs": " "}.get(unicodedata.category(char), char)


def _readings(dialled: str, region: str | None) -> list["PhoneNumber"]:
    """The possible numbers: as written, and without a zero left before the national number."""
    number = _possible(dialled, region)
    if number is None:
        return []
    if not number.italian_leading_zero:
        return [number]
    shorter = _possible(f"+{number.country_code}{number.national_number}", None)
    return [number] if shorter is None else [number, shorter]


def _possible(dialled: str, region: str | None) -> "PhoneNumber | None":
    # Imported late: it takes 30 ms, and commands that hash nothing should not pay for it.
    import phonenumbers

    try:
        number = phonenumbers.parse(dialled, region)
    except phonenumbers.NumberParseException:
        return None
    # is_possible_number() would take a number without its area code as well.
    reason = phonenumbers.is_possible_number_with_reason(number)
    return number if reason == phonenumbers.ValidationResult.IS_POSSIBLE else None


def _best(readings: list["PhoneNumber"]) -> str:
    """Digits of the first assigned number, else of the first possible one."""
    if not readings:
        return ""
    import phonenumbers

    chosen = readings[0]
    if len(readings) > 1:
        chosen = next(filter(phonenumbers.is_valid_number, readings), chosen)
    return phonenumbers.format_number(chosen, phonenumbers.PhoneNumberFormat.E164)[1:]
