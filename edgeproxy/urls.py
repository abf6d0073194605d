"""URLs as texts: what of a page's address may leave, its host, and origins in settings."""

import ipaddress
import re
from functools import lru_cache
from urllib.parse import unquote_plus

# A lone surrogate could not be written as UTF-8 later, and a control character is no URL.
_URL = re.compile(
    r"""
    (?P<scheme>https?)://
    (?:[^/?\#\\]*@)?
    (?P<host>\[[0-9a-f:.]+\]|[^\s/?\#\\@:\[\]<>"'|^`{}%\x00-\x1f\x7f\ud800-\udfff]+)
    (?P<port>:[0-9]{0,5})?
    (?P<path>/[^?\#\x00-\x1f\x7f\ud800-\udfff]*)?
    (?:\?(?P<query>[^\#\x00-\x1f\x7f\ud800-\udfff]*))?
    (?P<fragment>\#.*)?
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)

_PERSONS_AND_KEYS = """
    email mail useremail phone phonenumber tel telephone mobile msisdn token accesstoken idtoken
    refreshtoken auth authorization apikey password passwd pwd secret jwt otp sessionid
"""

_PRIVATE_NAMES = frozenset(_PERSONS_AND_KEYS.split())
"""Folded names of parameters that hold a person or a key."""

# One character before the sign is enough for a search, and keeps it linear on hostile texts.
_EMAIL = re.compile(r"""[^\s@<>"'(),:;/?#&=]@[^\W_](?:[\w-]*\.)+[^\W\d_]{2,}""")
_JWT = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.")

# A sign, a dot or the letters of a token, encoded once or more. Without one nothing is decoded.
_SUSPECT = re.compile(r"@|eyJ|%(?:25)*(?:40|2E|65|79|4A)", re.IGNORECASE)

_CACHED_CHARS = 512
"""Longer addresses are cleaned each time, so that a hostile caller cannot fill the cache."""

_DECODINGS = 3
"""An address inside a return URL inside a parameter is percent-encoded more than once."""

_HOST_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_DEFAULT_PORTS = {"https": 443, "http": 80}


def clean_page_url(url: str) -> str:
    """A page's address as Snap may have it.

    User name and fragment go, and so do parameters that are named like an e-mail, a phone, a
    token or a password (case, "_" and "-" do not count) or whose decoded value holds an e-mail
    address or a JWT. The others stay byte for byte in their order, click ids included, because
    Snap wants the landing address as it was. Without a parameter left there is no "?".

    Args:
        url: `location.href`; blanks around it are cut.

    Returns:
        The cleaned address, or "" when it is not an absolute http or https URL.
    """
    return _cleaned_cached(url) if len(url) <= _CACHED_CHARS else _cleaned(url)


def _cleaned(url: str) -> str:
    found = _URL.fullmatch(url.strip())
    if found is None:
        return ""
    scheme, host, port, path, query = found.group("scheme", "host", "port", "path", "query")
    page = f"{scheme}://{host}{port or ''}{path or ''}"
    kept = _clean_query(query) if query else ""
    return f"{page}?{kept}" if kept else page


_cleaned_cached = lru_cache(maxsize=2048)(_cleaned)


def host_of(url: str) -> str:
    """The host of an http or https URL in lower case, without port or brackets, or ""."""
    found = _URL.fullmatch(url.strip())
    return found["host"].lower().strip("[]") if found else ""


def origin_of(text: str) -> str:
    """An origin as a browser sends it: "https://www.example.com", a port only when not the default.

    Raises:
        ValueError: With a sentence that says what an origin may be: https, or http on `localhost`,
            its subdomains and the loopback addresses.
    """
    found = _URL.fullmatch(text.strip())
    if found is None or "@" in text:
        raise ValueError("must be a scheme and a host, such as https://www.example.com")
    if found["path"] not in (None, "/") or found["query"] is not None or found["fragment"]:
        raise ValueError("must end after the host; leave out path, query and fragment")
    scheme = found["scheme"].lower()
    host = _normal_host(found["host"].lower())
    if scheme == "http" and not _is_local(host):
        raise ValueError("must be https; http is for localhost only")
    return f"{scheme}://{host}{_normal_port(found['port'], _DEFAULT_PORTS[scheme])}"


def _normal_host(host: str) -> str:
    if host.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
        except ValueError:
            raise ValueError("must have a readable IPv6 address in its brackets") from None
    if "*" in host:
        raise ValueError("must name one host; there are no wildcards, list each origin")
    if not host.isascii():
        raise ValueError("must have the host as browsers send it, in ASCII (xn--…)")
    if _HOST_NAME.fullmatch(host) is None:
        raise ValueError("must be a scheme and a host, such as https://www.example.com")
    return host


def _is_local(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "[::1]") or host.endswith(".localhost")


def _normal_port(port: str | None, default: int) -> str:
    if port in (None, ":"):
        return ""
    number = int(str(port)[1:])
    if not 1 <= number <= 65_535:
        raise ValueError("must have a port from 1 to 65535")
    return "" if number == default else f":{number}"


def _clean_query(query: str) -> str:
    parts = query.split("&")
    suspect = _SUSPECT.search(query) is not None
    kept = [part for part in parts if not _is_private(part, suspect=suspect)]
    return "&".join(kept) if any(kept) else ""


def _is_private(part: str, *, suspect: bool) -> bool:
    name = part.partition("=")[0]
    if "%" in name or "+" in name:
        name = unquote_plus(name)
    if "[" in name:
        # user[email] is an e-mail as well.
        name = name.rstrip("]").rpartition("[")[2]
    if name.replace("_", "").replace("-", "").lower().strip() in _PRIVATE_NAMES:
        return True
    return suspect and _holds_private(part)


def _holds_private(text: str) -> bool:
    for _ in range(_DECODINGS):
        if ("@" in text and _EMAIL.search(text)) or ("eyJ" in text and _JWT.search(text)):
            return True
        if "%" not in text:
            return False
        text = unquote_plus(text)
    return bool(_EMAIL.search(text) or _JWT.search(text))
