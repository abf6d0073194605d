"""How the admin listener answers: the headers that every answer has, and the kinds of answers."""

from collections.abc import Sequence

import msgspec

from edgeproxy.web.asgi import Header, Message, Receive, Scope, Send, answer
from edgeproxy.web.assets import Asset
from edgeproxy.web.endpoint import Reply

SECURITY: tuple[Header, ...] = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
)
"""Headers of every answer."""

NO_STORE: Header = (b"cache-control", b"no-store")
FOR_EVER: Header = (b"cache-control", b"private, max-age=31536000, immutable")
"""For paths that have the file's hash in them."""


def guarded(send: Send, *, secure: bool) -> Send:
    """A `send` that adds the headers which every answer must have."""
    always = (
        (*SECURITY, (b"strict-transport-security", b"max-age=31536000")) if secure else SECURITY
    )

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            names = {name for name, _ in always}
            kept = [one for one in message.get("headers", ()) if one[0].lower() not in names]
            message = {**message, "headers": [*kept, *always]}
        await send(message)

    return sending


async def send_file(scope: Scope, send: Send, file: Asset) -> None:
    """A file of the dashboard, in the best coding that the browser takes."""
    accept = dict(scope["headers"]).get(b"accept-encoding", b"")
    coding, body = file.choose(accept)
    headers: list[Header] = [
        (b"content-type", file.content_type),
        (b"vary", b"Accept-Encoding"),
        FOR_EVER,
    ]
    if coding:
        headers.append((b"content-encoding", coding))
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def send_html(
    send: Send, method: str, status: int, page: bytes, extra: Sequence[Header] = ()
) -> None:
    """A page."""
    headers = [(b"content-type", b"text/html; charset=utf-8"), NO_STORE, *extra]
    await _send(send, method, status, headers, page)


async def send_reply(
    reply: Reply, scope: Scope, receive: Receive, send: Send, *, status: int
) -> None:
    """What an endpoint gave; `status` is its row's."""
    if reply.app is not None:
        await reply.app(scope, receive, send)
        return
    headers = [NO_STORE, *reply.headers]
    body = reply.body if isinstance(reply.body, bytes) else b""
    if reply.body is not None:
        headers.append((b"content-type", reply.media.encode()))
        body = body or msgspec.json.encode(reply.body)
    await _send(send, scope["method"], reply.status or status, headers, body)


async def _send(
    send: Send, method: str, status: int, headers: Sequence[Header], body: bytes
) -> None:
    """An answer, or for HEAD what comes before its body."""
    if method == "HEAD":
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": b""})
    else:
        await answer(send, status, headers, body)
