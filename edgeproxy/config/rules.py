"""One rule for each kind of setting: takes what was written, gives the normal form.

Those of sources and integrations are in `edgeproxy.site_rules`.

Every function raises ValueError with a sentence that continues "<setting> …". What was given is
repeated only where it cannot be a secret.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from edgeproxy.store import ALSO, STORES

SNAP_HOSTS = ("https://tr.snapchat.com", "https://tr-shadow.snapchat.com")
"""Snap's host and its staging host. Source: Snap, Conversions API."""

_PREFIX = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
_UPSTREAM = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?/?", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9._:%-]+")


def split(value: object) -> object:
    """A list written as one text with commas, as the environment has it; all else as it is."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def listen_host(text: str) -> str:
    """An address or a host name to listen on, without port and brackets."""
    host = text.strip().removeprefix("[").removesuffix("]")
    if host == "*":
        raise ValueError("must be an address; 0.0.0.0 listens on all")
    if _HOST.fullmatch(host) is None or host.count(":") == 1:
        raise ValueError("must be an address or a host name; the port is server.port")
    return host


def prefix(text: str) -> str:
    """A path with one slash in front and none at the end, such as "/edge", or ""."""
    path = text.strip().strip("/")
    path = f"/{path}" if path else ""
    if _PREFIX.fullmatch(path) is None:
        raise ValueError("must be a path such as /edge, of letters, digits, -, _, ~ and dots")
    return path


def trusted_proxy(text: str) -> str:
    """The address or the network of a proxy in front."""
    if text == "*":
        raise ValueError(
            'cannot be "*": whoever may name a client address could pretend to be any visitor; '
            "list the addresses of your proxies"
        )
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(_why_no_network(text)) from None
    if network.prefixlen == 0:
        raise ValueError(
            "cannot be every address: any visitor could pretend to be another; "
            "list the networks of your proxies"
        )
    return str(network) if "/" in text else str(network.network_address)


def _why_no_network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return "must be an address or a network such as 10.0.0.0/8"
    return f"is an address inside {network}, written as a network; which of the two is meant?"


def store_url(text: str) -> str:
    """Where the store is: "sqlite:///" and an absolute path, or PostgreSQL's URL."""
    url = text.strip()
    scheme = url.partition(":")[0]
    scheme = ALSO.get(scheme, scheme)
    if scheme not in STORES:
        raise ValueError("must begin with sqlite:/// or postgresql://")
    return _sqlite_url(url) if scheme == "sqlite" else _postgresql_url(url)


def _postgresql_url(url: str) -> str:
    # Nothing of it is repeated: there may be a password in it.
    rest = url.partition(":")[2]
    if not rest.startswith("//") or not url.isprintable() or " " in url:
        raise ValueError(
            "must be postgresql://user@host/database without blanks; a password is "
            "percent-encoded, and better kept in the file that store.url_file names"
        )
    try:
        urlsplit(url)
    except ValueError:
        raise ValueError("is no URL; a password in it is percent-encoded") from None
    if "#" in rest:
        raise ValueError("must have no #; in a password it is written %23")
    return f"postgresql:{rest}"


def _sqlite_url(url: str) -> str:
    path = url.removeprefix("sqlite://")
    if not path.startswith("/") or path.endswith("/") or ":memory:" in path:
        raise ValueError(
            "must be sqlite:/// and the absolute path of a file, "
            "such as sqlite:///var/lib/edgeproxy/edgeproxy.db"
        )
    if "?" in path or "#" in path or not path.isprintable():
        raise ValueError("must have no ?, # or control character in its path")
    return f"sqlite:///{path.lstrip('/')}"


def upstream(text: str) -> str:
    """Where Snap is. Nothing else may ever get the events and the token, whatever the settings."""
    found = _UPSTREAM.fullmatch(text.strip())
    url = text.strip().lower().removesuffix("/")
    if url in SNAP_HOSTS:
        return url
    if found is None or not is_loopback(found[2].lower()) or int((found[3] or ":0")[1:]) > 65_535:
        raise ValueError(f"may only be {', '.join(SNAP_HOSTS)} or a loopback address")
    return url


def webhook(text: str) -> str:
    """Where alerts are sent. Nothing of it is repeated: the URL is what opens the channel."""
    url = text.strip()
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        raise ValueError("must be a URL that begins with https://")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must begin with https://; http:// is for this machine alone")
    return url


def is_loopback(host: str) -> bool:
    """Whether a host in lower case is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
