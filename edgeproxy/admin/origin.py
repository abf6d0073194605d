"""Where a request comes from: how encrypted, under which name, and from a page of ours or not."""

import ipaddress
from collections.abc import Mapping

from edgeproxy.addresses import TrustedProxies
from edgeproxy.errors import Forbidden
from edgeproxy.web.asgi import Scope


def is_secure(scope: Scope, headers: Mapping[bytes, bytes], proxies: TrustedProxies) -> bool:
    """Whether the caller's connection was encrypted, as far as a trusted proxy or ours knows."""
    proto = headers.get(b"x-forwarded-proto")
    if proto is None or not proxies.trusts(_peer(scope)):
        return bool(scope["scheme"] == "https")
    return proto.strip().lower() == b"https"


def address(scope: Scope, headers: Mapping[bytes, bytes], proxies: TrustedProxies) -> str:
    """The caller's address, "" for none."""
    return proxies.client(_peer(scope), headers.get(b"x-forwarded-for", b"").decode("latin-1"))


def _peer(scope: Scope) -> str | None:
    client = scope.get("client")
    return client[0] if client else None


def is_loopback(host: str) -> bool:
    """Whether a `Host` header names this machine."""
    name = host.partition("]")[0][1:] if host.startswith("[") else host.partition(":")[0]
    if name.lower() == "localhost" or name.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def demand_own_page(headers: Mapping[bytes, bytes], host: str, *, secure: bool) -> None:
    """Let only a page of ours, in a browser, send a form.

    `Sec-Fetch-Site` cannot be forged by a page; a browser too old for it sends `Origin`. Scripts
    have neither, and use a token instead of a session.

    Raises:
        Forbidden: The request comes from elsewhere, or does not say.
    """
    site = headers.get(b"sec-fetch-site")
    origin = headers.get(b"origin", b"").lower()
    ours = f"{'https' if secure else 'http'}://{host}".lower().encode()
    # Our pages send no referrer, which makes the origin of their forms "null".
    known = origin in (b"", b"null", ours) if site == b"same-origin" else origin == ours
    if site not in (None, b"same-origin") or not known:
        raise Forbidden("foreign_page", "this can be sent from the dashboard's own pages only")
