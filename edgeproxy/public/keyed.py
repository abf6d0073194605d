"""Server routes: the caller shows a write key, and whoever shows none learns nothing.

No cookie is read or set here and no origin counts: all that a caller may do lies in the key that
it sends itself.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable

from edgeproxy.errors import Refused
from edgeproxy.public.ask import Ask, read_ask
from edgeproxy.public.state import State
from edgeproxy.registry import Site
from edgeproxy.web.asgi import Header, Receive, Scope, Send, answer, read_body, reply
from edgeproxy.web.inflate import plain_body

BODY_BYTES = 1024 * 1024
INFLATED_BYTES = 4 * 1024 * 1024

OPEN_CORS: tuple[Header, ...] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"Retry-After"),
)
"""Every page may call and read the answer: Shopify's pixels run in a frame whose origin is `null`.
It gains nothing but what its key allows, for without `Allow-Credentials` a browser shows no answer
to a request that had a visitor's cookies. Source: WHATWG, Fetch, CORS protocol and credentials."""

_PREFLIGHT: tuple[Header, ...] = (
    *OPEN_CORS,
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, Content-Encoding"),
    (b"access-control-max-age", b"7200"),
)
_ANSWER: tuple[Header, ...] = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)

Served = tuple[int, bytes]
"""Status and JSON body."""

Work = Callable[["Caller"], Awaitable[Served]]
Refusal = Callable[[Refused], tuple[int, list[Header], bytes]]


class Caller:
    """One request of a server route, read only as far as it has been admitted.

    Args:
        scope: The request.
        receive: Its body.
        state: Of the listener.
    """

    def __init__(self, scope: Scope, receive: Receive, state: State) -> None:
        self._receive = receive
        self.scope = scope
        self.state = state
        self.ask: Ask = read_ask(scope, state.proxies)
        self.authorization = dict(scope["headers"]).get(b"authorization", b"")

    def site(self, key: str) -> Site:
        """The site of a write key.

        Raises:
            Refused: 401, the same whatever is wrong with the key; 429, it is used too often.
        """
        state = self.state
        site = state.registry.by_write_key(key) if key else None
        if site is None:
            state.meter.add("refused", "write_key")
            raise _no_key()
        if state.flood is not None and self.ask.origin is None:
            # Browsers share the key of a shop's pixel and are limited by their addresses.
            state.flood.count(b"source " + site.source.id.encode())
        return site

    def count_rejected(self, site: Site, events: int) -> None:
        """Count events that could not even be read."""
        if events:
            self.state.meter.add("in", site.source.id, "rejected", n=events)

    async def body(self) -> bytes:
        """The body in the clear.

        Raises:
            BadBatch: 400, 413, 415: too large, or compressed in a way that is not taken.
        """
        body = await read_body(self._receive, BODY_BYTES, self.ask.content_length)
        return plain_body(body, self.ask.content_encoding, INFLATED_BYTES)


def basic_user(authorization: bytes) -> str | None:
    """The user name of Basic credentials, with or without the colon; None for anything else.

    Source: RFC 7617; Segment, HTTP Tracking API source, basic authentication.
    """
    scheme, _, value = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        plain = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return plain.partition(b":")[0].decode("latin-1")


def bearer(authorization: bytes) -> str:
    """The token of Bearer credentials, "" for anything else. Source: RFC 6750, section 2.1."""
    scheme, _, value = authorization.partition(b" ")
    return value.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""


async def serve(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    state: State,
    work: Work,
    refusal: Refusal,
    cors: tuple[Header, ...] = (),
) -> None:
    """Answer a request of a server route; refusals are in the form that its SDKs read."""
    try:
        caller = Caller(scope, receive, state)
        if state.flood is not None:
            state.flood.check(caller.ask.address, ())
        status, body = await work(caller)
    except Refused as refused:
        status, headers, body = refusal(refused)
        if status == 401:
            headers.append((b"www-authenticate", b'Basic realm="write key"'))
        await answer(send, status, [*headers, *cors], body)
        return
    await reply(scope, send, status, [*_ANSWER, *cors], body)


async def preflight(scope: Scope, receive: Receive, send: Send) -> None:
    """Any page may ask, with any of the headers that SDKs use."""
    await answer(send, 204, _PREFLIGHT)


def _no_key() -> Refused:
    return Refused(
        "no_write_key",
        "this needs a valid write key of a source, as the Basic user name or as writeKey in the "
        "body; never in the address",
        status=401,
    )
