"""What a request says besides its body: one pass over the headers, nothing interpreted twice."""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from edgeproxy.addresses import TrustedProxies
from edgeproxy.web.asgi import Scope


class Ask(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The facts of one request.

    `address` is the visitor's canonical address, "" for none. `cookies` are the raw header lines.
    `speculative` is "prefetch" when a browser fetched ahead of any visit, else "". `secure` says
    that the visitor's connection was encrypted, as far as a trusted proxy or ours knows.
    """

    origin: bytes | None
    host: str
    secure: bool
    address: str
    user_agent: str
    cookies: tuple[bytes, ...]
    gpc: bool
    speculative: str
    content_length: bytes | None
    content_encoding: bytes


def read_ask(scope: Scope, proxies: TrustedProxies) -> Ask:
    """Collect the facts of a request; forwarded ones count from a trusted proxy only."""
    lines: list[tuple[bytes, bytes]] = scope["headers"]
    headers = dict(lines)
    client = scope.get("client")
    if len(headers) == len(lines):
        cookie, forwarded = headers.get(b"cookie"), headers.get(b"x-forwarded-for", b"")
        cookies: tuple[bytes, ...] = () if cookie is None else (cookie,)
    else:
        cookies = _all(lines, b"cookie")
        forwarded = b",".join(_all(lines, b"x-forwarded-for"))
    return ask_of(
        headers,
        cookies,
        forwarded,
        peer=client[0] if client else "",
        encrypted=scope["scheme"] == "https",
        proxies=proxies,
    )


def ask_of(
    headers: Mapping[bytes, bytes],
    cookies: tuple[bytes, ...],
    forwarded: bytes,
    *,
    peer: str,
    encrypted: bool,
    proxies: TrustedProxies,
) -> Ask:
    """The facts of a request.

    Args:
        headers: By lower-case name.
        cookies: All `Cookie` lines.
        forwarded: All `X-Forwarded-For` lines, joined by commas.
        peer: The address of the connection's other end, "" for none.
        encrypted: Whether the connection to us is.
        proxies: Whose forwarded headers count.
    """
    get = headers.get
    proto = get(b"x-forwarded-proto")
    return Ask(
        origin=get(b"origin"),
        host=_host(get(b"host", b"")),
        secure=(
            encrypted
            if proto is None or not proxies.trusts(peer)
            else proto == b"https" or proto.strip().lower() == b"https"
        ),
        address=proxies.client(peer, forwarded.decode("latin-1")),
        user_agent=get(b"user-agent", b"").decode("latin-1"),
        cookies=cookies,
        gpc=get(b"sec-gpc") == b"1",
        speculative="" if _SPECULATION.isdisjoint(headers) else _speculative(headers),
        content_length=get(b"content-length"),
        content_encoding=get(b"content-encoding", b""),
    )


def _all(lines: list[tuple[bytes, bytes]], name: bytes) -> tuple[bytes, ...]:
    """All lines of one header; HTTP/2 fronts may split `Cookie`."""
    return tuple(value for given, value in lines if given == name)


_HOST_BYTES = 260
"""A name and a port; a longer one is not remembered."""


def _host(value: bytes) -> str:
    """The host without port, lower case."""
    return _host_cached(value) if len(value) <= _HOST_BYTES else _host_of(value)


def _host_of(value: bytes) -> str:
    text = value.decode("latin-1").lower()
    if text.startswith("["):
        return text.partition("]")[0][1:]
    return text.partition(":")[0]


_host_cached = lru_cache(256)(_host_of)
_SPECULATION = frozenset((b"sec-purpose", b"purpose", b"x-moz", b"x-purpose"))


def _speculative(headers: Mapping[bytes, bytes]) -> str:
    """Prefetch and prerender announce themselves; nobody has visited yet.

    Source: HTML, speculative navigation; older `Purpose` and `X-Moz`.
    """
    for name in _SPECULATION:
        value = headers.get(name)
        if value is not None and (b"prefetch" in value or b"prerender" in value):
            return "prefetch"
    return ""
