"""The few ASGI moves of the hot path: read a bounded body, send one answer.

`starlette.requests.Request` and `Response` cost several times the work they wrap here; the cold
paths use them.
"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from edgeproxy.errors import BadBatch

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]


class Gone(Exception):
    """The caller went away before its body was complete; nobody waits for an answer."""


async def read_body(receive: Receive, limit: int, declared: bytes | None) -> bytes:
    """The request's body.

    Args:
        receive: The server's.
        limit: In bytes; more is refused as soon as it is seen.
        declared: The `Content-Length` header, if there was one.

    Raises:
        BadBatch: 413, the body is longer than `limit`.
        Gone: The caller left.
    """
    if declared is not None and declared.isdigit():
        digits = declared.lstrip(b"0")
        if len(digits) > 9 or int(digits or b"0") > limit:  # int() refuses thousands of digits
            raise _too_large(limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False) and message["type"] == "http.request":
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts = [body]
    size = len(body)
    while message.get("more_body", False):
        if size > limit:
            raise _too_large(limit)
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if message["type"] == "http.disconnect":
        raise Gone
    if size > limit:
        raise _too_large(limit)
    return b"".join(parts)


def _too_large(limit: int) -> BadBatch:
    return BadBatch("too_large", f"the body is larger than {limit} bytes", status=413)


async def answer(send: Send, status: int, headers: Sequence[Header], body: bytes = b"") -> None:
    """Send one complete answer; a body brings its `Content-Length`."""
    complete = list(headers)
    if body or status not in (204, 304):
        complete.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": complete})
    await send({"type": "http.response.body", "body": body})


class Fixed:
    """Headers that many answers share, and the same as lines of text, put together once."""

    __slots__ = ("headers", "lines")

    def __init__(self, headers: Sequence[Header]) -> None:
        self.headers = tuple(headers)
        self.lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)


_NOTHING_FIXED = Fixed(())

AT_ONCE = "edgeproxy.at_once"
"""Where a scope offers `(status, headers, body, fixed lines) -> bool`: write a whole answer, if you
can now."""


async def reply(
    scope: Scope,
    send: Send,
    status: int,
    headers: Sequence[Header],
    body: bytes = b"",
    *,
    fixed: Fixed = _NOTHING_FIXED,
) -> None:
    """`answer` with one write instead of two, where the server offers it; not for HEAD."""
    at_once = scope.get(AT_ONCE)
    if at_once is None or not at_once(status, headers, body, fixed.lines):
        await answer(send, status, [*fixed.headers, *headers], body)
