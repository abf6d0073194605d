"""What a request says besides its body: one pass over the headers, nothing interpreted twice."""

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
    """Collect the facts; forwarded ones count from a trusted proxy only."""
    lines: list[tuple[bytes, bytes]] = scope["headers"]
    headers = dict(lines)
    peer: str | None = scope["client"][0] if scope.get("client") else None
    repeated = len(headers) != len(lines)
    return Ask(
        origin=headers.get(b"origin"),
        host=_host(headers.get(b"host", b"")),
        secure=_secure(scope, headers, trusted=proxies.trusts(peer)),
        address=proxies.client(peer, _forwarded(lines, headers, repeated=repeated)),
        user_agent=headers.get(b"user-agent", b"").decode("latin-1"),
        cookies=_cookies(lines, headers, repeated=repeated),
        gpc=headers.get(b"sec-gpc") == b"1",
        speculative=_speculative(headers),
        content_length=headers.get(b"content-length"),
        content_encoding=headers.get(b"content-encoding", b""),
    )


def _host(value: bytes) -> str:
    """The host without port, lower case."""
    text = value.decode("latin-1").lower()
    if text.startswith("["):
        return text.partition("]")[0][1:]
    return text.partition(":")[0]


def _secure(scope: Scope, headers: dict[bytes, bytes], *, trusted: bool) -> bool:
    forwarded = headers.get(b"x-forwarded-proto") if trusted else None
    if forwarded is not None:
        return forwarded.strip().lower() == b"https"
    return bool(scope["scheme"] == "https")


def _forwarded(
    lines: list[tuple[bytes, bytes]], headers: dict[bytes, bytes], *, repeated: bool
) -> str:
    """`X-Forwarded-For`, several lines as one."""
    if b"x-forwarded-for" not in headers:
        return ""
    if not repeated:
        return headers[b"x-forwarded-for"].decode("latin-1")
    return ",".join(value.decode("latin-1") for name, value in lines if name == b"x-forwarded-for")


def _cookies(
    lines: list[tuple[bytes, bytes]], headers: dict[bytes, bytes], *, repeated: bool
) -> tuple[bytes, ...]:
    """The `Cookie` lines; HTTP/2 fronts may split the header."""
    if b"cookie" not in headers:
        return ()
    if not repeated:
        return (headers[b"cookie"],)
    return tuple(value for name, value in lines if name == b"cookie")


_SPECULATION = (b"sec-purpose", b"purpose", b"x-moz", b"x-purpose")


def _speculative(headers: dict[bytes, bytes]) -> str:
    """Prefetch and prerender announce themselves; nobody has visited yet.

    Source: HTML, speculative navigation; older `Purpose` and `X-Moz`.
    """
    for name in _SPECULATION:
        value = headers.get(name)
        if value is not None and (b"prefetch" in value or b"prerender" in value):
            return "prefetch"
    return ""
