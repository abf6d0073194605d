"""What may never stand in a log line: tokens, personal data, control characters, long texts.

Applied to every field of every line, ours and the libraries'. Names of fields decide first, then
the looks of the text itself, because libraries write sentences.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

MASK = "••••"

FIELD_MAX_BYTES = 2048

HIDDEN_FIELDS = frozenset(
    {
        "token",
        "authorization",
        "access_token",
        "admin_token",
        "api_key",
        "write_key",
        "write_keys",
        "password",
        "secret",
        "cookie",
        "set_cookie",
        "email",
        "phone",
        "ip",
        "client_ip",
        "client_ip_address",
        "user_agent",
        "click_id",
        "sc_click_id",
        "sccid",
        "sclid",
        "scid",
    }
)
"""Fields whose value is never written, in any spelling of case, "-" and leading "_"."""

_READ_MAX_CHARS = 4096  # what is looked through; the rest of a text is dropped before
_DEPTH_MAX = 4
_ITEMS_MAX = 50
_INT64 = 2**63

_NAMES = (
    r"access_token|admin_token|token|api_key|password|secret|write_?key|authorization|email|phone"
    r"|sccid|sclid|sc_click_id|click_id|_?scid|_scclid|__secure-edge|__host-edge"
)
_SENSITIVE = re.compile(
    rf"""
      (?P<url>https?://[^\s?\#]+)[?\#]\S*                       # a URL keeps its path only
    | (?P<scheme>\b(?:bearer|basic)\s+)[\w.~+/=-]+
    | (?P<name>\b(?:{_NAMES})["']?\s?[=:]\s?)(?!bearer\s|basic\s)["']?[^\s&;,"'}}]+
    | \beyJ[\w-]{{6,}}(?:\.[\w-]+)*                             # a JSON web token
    | \b(?!127\.|0\.0\.0\.0|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.)
      (?:\d{{1,3}}\.){{3}}\d{{1,3}}\b                           # a public IPv4 address
    | \b[23][0-9a-f]{{3}}:(?:[0-9a-f]{{0,4}}:){{1,6}}[0-9a-f]{{0,4}}
    | \+\d[\d\ ().-]{{6,}}\d                                    # an international phone number
    """,
    re.VERBOSE | re.IGNORECASE,
)
_MAIL = re.compile(r"""[^\s@%<>"'=,;:()/]{1,64}(?:@|%40)[^\s@<>"',;)/]+""", re.IGNORECASE)
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def redact(logger: "WrappedLogger", method: str, fields: "EventDict") -> "EventDict":
    """Every value short, printable and without what may not be written."""
    return {name: _field(name, value) for name, value in fields.items()}


def mask(text: str) -> str:
    """A text without tokens, personal data and queries; on one line, at most `FIELD_MAX_BYTES`."""
    text = _SENSITIVE.sub(_masked, text[:_READ_MAX_CHARS])
    if "@" in text or "%40" in text:
        text = _MAIL.sub(MASK, text)
    text = _UNPRINTABLE.sub(_escaped, text)
    encoded = text.encode()
    if len(encoded) <= FIELD_MAX_BYTES:
        return text
    return encoded[: FIELD_MAX_BYTES - len("…".encode())].decode(errors="ignore") + "…"


def _field(name: str, value: object) -> object:
    if _is_hidden(name):
        return MASK
    plain = _plain(value, 0)
    if isinstance(plain, dict | list):
        text = msgspec.json.encode(plain)
        if len(text) > FIELD_MAX_BYTES:
            return mask(text.decode())
    return plain


def _plain(value: object, depth: int) -> object:
    if isinstance(value, str):
        return mask(value)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else "an integer of more than 64 bits"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    if isinstance(value, Mapping | Sequence | set | frozenset):
        return "…" if depth >= _DEPTH_MAX else _members(value, depth)
    return mask(str(value))


def _members(
    value: Mapping[object, object] | Sequence[object] | set[object] | frozenset[object], depth: int
) -> object:
    if isinstance(value, Mapping):
        pairs = [(str(name), member) for name, member in list(value.items())[:_ITEMS_MAX]]
        return {
            mask(name): MASK if _is_hidden(name) else _plain(member, depth + 1)
            for name, member in pairs
        }
    return [_plain(member, depth + 1) for member in list(value)[:_ITEMS_MAX]]


def _is_hidden(name: str) -> bool:
    return name.lower().replace("-", "_").lstrip("_") in HIDDEN_FIELDS


def _masked(found: re.Match[str]) -> str:
    if url := found["url"]:
        return f"{url}?{MASK}"
    return f"{found['name'] or found['scheme'] or ''}{MASK}"


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
