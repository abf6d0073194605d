"""The only door to the network outside: one HTTP client for the life of the process.

Nothing here raises for what a network does: every fault becomes a value. No message and no value
repeats a URL, a header or a body, because a query may carry a token and a header always may.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator, Mapping
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from edgeproxy import __version__
from edgeproxy.lean import without

if TYPE_CHECKING:
    import httpx

Fault = Literal["", "timeout", "refused", "tls", "dns", "reset", "protocol", "too_long"]

DEADLINE_S = 15.0
"""For one whole attempt. A peer that drips a byte a second defeats every read timeout."""

LIMIT_BYTES = 64 * 1024
"""Of an answer; what comes after it is not read."""

_CONNECTIONS = 8
_KEEP_IDLE_S = 30.0
_GONE = ("disconnected", "closed connection")
"""What the client says when the peer hung up in the middle; it has no class for that."""

_Kinds = tuple[tuple[type[BaseException], Fault], ...]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer, or the `fault` why there is none.

    `status` is None without an answer. `too_long` alone comes with a status: the body was cut.
    `headers` are (lower-case name, value) pairs in the order of arrival. `latency_ms` runs from
    the call to the last byte read.
    """

    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    fault: Fault = ""
    latency_ms: float = 0.0

    def header(self, name: str) -> str:
        """The first value of a header, by its lower-case name; "" when it is absent."""
        return next((value for key, value in self.headers if key == name), "")


class Outbound:
    """Sends HTTP requests, follows no redirect, obeys no proxy variable, always verifies TLS.

    Args:
        ca_file: Certificates (PEM) to trust beside the public ones.
        deadline_s: For one whole attempt; a third of it to connect, two to wait for a byte.
    """

    def __init__(self, *, ca_file: Path | None = None, deadline_s: float = DEADLINE_S) -> None:
        # Imported late: the library takes longer to load than `edgeproxy --help` may take; and
        # without what it would load for its own command line and another event loop, 6 MB.
        with without("rich", "pygments", "trio"):
            import httpcore  # noqa: F401 - else the first client loads it
            import httpx

        # The client logs each URL at INFO, and a URL may carry a token.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._faults = (httpx.TransportError, httpx.InvalidURL, OSError, ExceptionGroup)
        self._kinds: _Kinds = (  # the first that occurs among the causes names the fault
            (TimeoutError, "timeout"),
            (httpx.TimeoutException, "timeout"),
            (ssl.SSLError, "tls"),
            (socket.gaierror, "dns"),
            (ConnectionRefusedError, "refused"),
            (httpx.ConnectError, "refused"),
            (httpx.NetworkError, "reset"),
        )
        self._deadline_s = deadline_s
        self._client = httpx.AsyncClient(
            verify=_trust(ca_file),
            trust_env=False,
            follow_redirects=False,
            http2=False,
            # Each below the deadline: the client closes its socket when its own time is over, not
            # when it is cancelled in the middle of a TLS handshake.
            timeout=httpx.Timeout(deadline_s * 2 / 3, connect=deadline_s / 3, pool=deadline_s / 3),
            limits=httpx.Limits(
                max_connections=_CONNECTIONS,
                max_keepalive_connections=_CONNECTIONS,
                keepalive_expiry=_KEEP_IDLE_S,
            ),
            headers={"User-Agent": f"edgeproxy/{__version__}", "Accept": "*/*"},
            # A jar that takes nothing: a cookie of one answer must not go out with another request.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes = b"",
        limit_bytes: int = LIMIT_BYTES,
    ) -> Answer:
        """Send one request and read its answer, at most `limit_bytes` of it.

        Args:
            method: In upper case.
            url: Absolute, http or https.
            headers: Sent as UTF-8, beside `User-Agent`, `Accept` and `Accept-Encoding: identity`.
            params: The query; replaces one that stands in `url`.
            body: As it shall be on the wire.
            limit_bytes: Where reading stops.

        Returns:
            The answer or the fault; a compressed body stays as it came.
        """
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        status: int | None = None
        pairs: tuple[tuple[str, str], ...] = ()
        data = b""
        fault: Fault = ""
        try:
            async with asyncio.timeout(self._deadline_s):
                status, pairs, data = await self._exchange(
                    method, url, _encoded(headers), params, body, limit_bytes
                )
        except self._faults as error:
            fault = _fault(error, self._kinds)
        if len(data) > limit_bytes:
            data, fault = data[:limit_bytes], "too_long"
        return Answer(
            status=status,
            headers=pairs,
            body=data,
            fault=fault,
            latency_ms=(loop.time() - started_s) * 1000,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: list[tuple[bytes, bytes]],
        params: Mapping[str, str] | None,
        body: bytes,
        limit_bytes: int,
    ) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
        data = bytearray()
        async with self._client.stream(
            method, url, headers=headers, params=params, content=body or None
        ) as response:
            # Raw: a small compressed answer can unfold to any size.
            async for chunk in response.aiter_raw():
                data += chunk
                if len(data) > limit_bytes:
                    break
            return response.status_code, _pairs(response), bytes(data)


@lru_cache(maxsize=8)
def _trust(ca_file: Path | None) -> ssl.SSLContext:
    """Loaded once for the process: reading the public certificates takes a tenth of a second."""
    import httpx

    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _encoded(headers: Mapping[str, str] | None) -> list[tuple[bytes, bytes]]:
    """The headers as bytes; the client's own encoding error would quote the value."""
    given = {"Accept-Encoding": "identity", **(headers or {})}
    return [(name.encode(), value.encode("utf-8", "replace")) for name, value in given.items()]


def _pairs(response: "httpx.Response") -> tuple[tuple[str, str], ...]:
    return tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in response.headers.raw
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that led to it; the order says nothing."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        cause = waiting.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__]
        if isinstance(cause, BaseExceptionGroup):
            waiting += cause.exceptions


def _fault(error: BaseException, kinds: _Kinds) -> Fault:
    """The kind of a fault, from the classes of all that led to it; texts are never passed on."""
    causes = tuple(_causes(error))
    for kind, fault in kinds:
        if any(isinstance(cause, kind) for cause in causes):
            return fault
    gone = any(mark in str(cause) for cause in causes for mark in _GONE)
    return "reset" if gone else "protocol"
