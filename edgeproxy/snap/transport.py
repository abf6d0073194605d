"""Carries requests to Snap: the token is put in here, and taken out of whatever comes back.

The token goes to the configured upstream and nowhere else: the host never comes from a request,
and redirects are not followed.
"""

from typing import Protocol
from urllib.parse import quote, quote_plus

from edgeproxy.outbound import Outbound
from edgeproxy.sites import Integration
from edgeproxy.wire import WireRequest, WireResponse

_MASK = "••••"


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
        if not request.path.startswith("/"):
            raise ValueError("a request's path begins with /")
        token = integration.access_token.reveal()
        headers = {"Content-Type": "application/json"}
        params = {}
        if request.token_in == "query":  # noqa: S105 - a place, not a token
            params["access_token"] = token
        else:
            headers["Authorization"] = f"Bearer {token}"
        answer = await self._outbound.request(
            "POST",
            self._upstream + request.path,
            headers=headers,
            params=params or None,
            body=request.body,
        )
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
