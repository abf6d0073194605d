"""One rule for each thing that a source or an integration has, wherever it was written.

The configuration and the admin API hold to the same rules. Every function takes what was written,
gives the normal form, and raises ValueError with a sentence that continues "<setting> …". What was
given is repeated only where it cannot be a secret.
"""

import difflib
import re
from collections.abc import Collection, Mapping

from edgeproxy.catalog import SNAP_NAMES, fold
from edgeproxy.domains import registrable_domain
from edgeproxy.urls import host_of

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOKEN = re.compile(r"[\x21-\x7e]+")
_DIGEST = re.compile(r"sha256:[0-9a-fA-F]{64}")
_PIXEL_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def name(text: str) -> str:
    """An id that may stand in a log line, a label and a path."""
    if _NAME.fullmatch(text) is None:
        raise ValueError("must be 1 to 64 letters, digits, - or _")
    return text


def token(text: str) -> str:
    """A bearer token, trimmed: printable ASCII without blanks, so that it fits into a header."""
    text = text.strip()
    if not text:
        raise ValueError("is empty")
    if text.lower().startswith("bearer "):
        raise ValueError('must be the token alone, without "Bearer"')
    if _TOKEN.fullmatch(text) is None:
        raise ValueError("must be one line of printable ASCII without blanks")
    return text


def write_key(text: str) -> str:
    """A write key as `token`, or "sha256:" and the SHA-256 hex digest of one."""
    key = token(text)
    if key.startswith("sha256:") and _DIGEST.fullmatch(key) is None:
        raise ValueError("must have 64 hex digits after sha256:")
    return key


def cookie_domain(text: str, page_origins: Collection[str]) -> str:
    """A domain that every origin of the source belongs to, or "auto", or "host"."""
    domain = text.strip().lower().removeprefix(".")
    if domain in ("auto", "host"):
        return domain
    if registrable_domain(domain) is None:
        raise ValueError("must be auto, host or a domain below a public suffix")
    for origin in page_origins:
        host = host_of(origin)
        if host != domain and not host.endswith(f".{domain}"):
            raise ValueError(f"must be a parent of every origin; {host} is not in {domain}")
    return domain


def country(text: str) -> str:
    """An ISO 3166 alpha-2 code in upper case, or ""."""
    code = text.strip().upper()
    if code and not (len(code) == 2 and code.isascii() and code.isalpha()):
        raise ValueError("must be two letters, such as US")
    if code == "UK":
        raise ValueError("must be an ISO 3166 code; the United Kingdom is GB")
    return code


def pixel_id(text: str, snap_app_id: str | None, app_id: str | None) -> str:
    """A Snap Pixel ID; "" for an app, which has both of its ids instead."""
    app = (snap_app_id, app_id)
    if not text and not any(app):
        raise ValueError("is not set; give pixel_id, or snap_app_id and app_id for an app")
    if not text and not all(app):
        raise ValueError("is not set; an app takes both snap_app_id and app_id")
    if not text.isprintable():
        raise ValueError("must be printable")
    return text


def looks_like_pixel_id(text: str) -> bool:
    """Whether it has the form of the ids that Snap gives."""
    return _PIXEL_ID.fullmatch(text) is not None


def snap_name(text: str) -> str:
    """One of Snap's event names."""
    wanted = text.strip().upper()
    if wanted in SNAP_NAMES:
        return wanted
    close = closest(wanted, SNAP_NAMES)
    cure = f"did you mean {close}?" if close else "such are PURCHASE and CUSTOM_EVENT_1"
    raise ValueError(f"is none of Snap's event names; {cure}")


def events(table: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Own names to Snap's, each of them once."""
    if len({fold(own) for own in table}) < len(table):
        raise ValueError("names one event twice; case, blanks, _ and - do not count")
    if not all(fold(own) and names for own, names in table.items()):
        raise ValueError("must map a name to at least one of Snap's")
    return dict(table)


def unknown_events(text: str) -> str:
    """What happens to a name without a mapping: "drop", "uppercase" or a Snap name."""
    rule = text.strip()
    if rule.lower() in ("drop", "uppercase"):
        return rule.lower()
    try:
        return snap_name(rule)
    except ValueError:
        raise ValueError("must be drop, uppercase or a Snap name such as CUSTOM_EVENT_1") from None


def integration_id(source: str, target: str) -> str:
    """The id of an integration without one: its source and the target's first 8 characters."""
    short = "".join(letter for letter in target[:8] if letter.isascii() and letter.isalnum())
    return f"{source}-{short}"


def closest(name: str, known: Collection[str]) -> str | None:
    """The known name that was probably meant."""
    found = difflib.get_close_matches(name, list(known), 1)
    return found[0] if found else None
