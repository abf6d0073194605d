"""Carries requests to Snap: the token is put in here, and taken out of whatever comes back.

The token goes to the configured upstream and nowhere else: the host never comes from a request,
and redirects are not followed.
"""

from collections.abc import Mapping
from typing import Literal, Protocol
from urllib.parse import quote, quote_plus

from edgeproxy.outbound import Answer, Outbound
from edgeproxy.sites import Integration
from edgeproxy.wire import WireRequest, WireResponse

_MASK = "••••"
_LOOK_BYTES = 1024 * 1024
"""Of an answer that is looked up, which no event waits for."""


class Transport(Protocol):
    """Sends one request to Snap."""

    async def send(self, request: WireRequest, integration: Integration) -> WireResponse:
        """Send with the integration's token; a network fault is a value, never an exception."""
        ...


class SnapTransport:
    """The transport over HTTP.

    Args:
        upstream: Scheme and host of Snap ("https://tr.snapchat.com"), without a path.
        outbound: The client; stays the caller's.
    """

    def __init__(self, upstream: str, outbound: Outbound) -> None:
        self._upstream = upstream.rstrip("/")
        self._outbound = outbound

    async def send(self, request: WireRequest, integration: Integration) -> WireResponse:
        """Send one request; see `Transport.send`.

        Raises:
            ValueError: The path is none, and might move the token to another host.
        """
        token = integration.access_token.reveal()
        headers, params = _with(token, request.token_in)
        answer = await self._outbound.request(
            "POST",
            self._url(request.path),
            headers={"Content-Type": "application/json", **headers},
            params=params or None,
            body=request.body,
        )
        return _response(answer, token)

    async def look(
        self, path: str, query: Mapping[str, str], integration: Integration
    ) -> WireResponse:
        """GET something of Snap's; a network fault is a value, never an exception."""
        token = integration.access_token.reveal()
        headers, params = _with(token, "header" if integration.api == "v2" else "query")
        answer = await self._outbound.request(
            "GET",
            self._url(path),
            headers=headers,
            params={**query, **params} or None,
            limit_bytes=_LOOK_BYTES,
        )
        return _response(answer, token)

    def _url(self, path: str) -> str:
        if not path.startswith("/"):
            raise ValueError("a request's path begins with /")
        return self._upstream + path


def _with(token: str, place: Literal["header", "query"]) -> tuple[dict[str, str], dict[str, str]]:
    """Headers and query that carry the token."""
    if place == "query":
        return {}, {"access_token": token}
    return {"Authorization": f"Bearer {token}"}, {}


def _response(answer: Answer, token: str) -> WireResponse:
    return WireResponse(
        status=answer.status,
        body=_without(token, answer.body),
        retry_after=answer.header("retry-after"),
        fault=answer.fault,
        latency_ms=answer.latency_ms,
    )


def _without(token: str, body: bytes) -> bytes:
    """The body with the token masked, as it is and as a query would carry it."""
    for form in {token, quote(token, safe=""), quote_plus(token)} if token else ():
        body = body.replace(form.encode(), _MASK.encode())
    return body
