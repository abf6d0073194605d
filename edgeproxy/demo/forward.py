"""Path mode: the shop's own host hands `/edge/…` to the proxy, as nginx does for a real shop.

So the tag, its requests and the cookies are all of one origin.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from edgeproxy.outbound import Outbound

PREFIX = "/edge"
VISITOR_ADDRESS = "203.0.113.7"
"""Everybody's here. A browser on loopback has no address that counts, and this one is reserved for
documentation. Source: RFC 5737."""

BODY_BYTES = 1024 * 1024

_NOT_PASSED_ON = frozenset(
    (
        "connection",
        "content-length",
        "expect",
        "forwarded",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        # Our own HTTP client speaks for itself here.
        "accept-encoding",
    )
)
_NOT_HANDED_BACK = frozenset(("connection", "keep-alive", "transfer-encoding", "date"))


def forwarder(outbound: Outbound, edge_url: str) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that asks the proxy at `edge_url` (no slash at its end); its answer is ours."""

    async def forward(request: Request) -> Response:
        answer = await outbound.request(
            request.method,
            f"{edge_url}{_target(request)}",
            headers=_passed_on(request),
            body=await request.body(),
        )
        if answer.status is None:
            return Response("The proxy does not answer.\n", 502, media_type="text/plain")
        response = Response(answer.body, answer.status)
        # Pairs, not a mapping: each cookie has a line of its own.
        response.raw_headers = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in answer.headers
            if name not in _NOT_HANDED_BACK
        ]
        return response

    return forward


def _target(request: Request) -> str:
    """Path and query as they came, so that nothing is decoded twice."""
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")


def _passed_on(request: Request) -> dict[str, str]:
    """The visitor's headers, and who the visitor is; forged X-Forwarded-* lines are overwritten."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        if name in _NOT_PASSED_ON:
            continue
        joint = "; " if name == "cookie" else ", "
        headers[name] = f"{headers[name]}{joint}{value}" if name in headers else value
    # Present even when empty, or the client would put in its own name and others' cookies.
    for name in ("user-agent", "cookie"):
        headers.setdefault(name, "")
    return {**headers, "x-forwarded-for": VISITOR_ADDRESS, "x-forwarded-proto": "http"}
