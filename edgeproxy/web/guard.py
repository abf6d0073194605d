"""uvicorn's HTTP protocol with the bounds it lacks: header size, header count, Host, deadlines.

A front server such as nginx has these too; the proxy must not fall when it is reached without one.
Time is looked at once a second for all connections (`overdue`), not by a timer for each request.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from edgeproxy.errors import Refused
from edgeproxy.web.asgi import AT_ONCE, App, Header, Receive, Scope, Send, answer
from edgeproxy.web.problem import problem

HEAD_BYTES = 16 * 1024
HEAD_LINES = 100
HEAD_S = 5.0
BODY_S = 10.0
CONNECTIONS = 2000

_TOO_LARGE = Refused("header_too_large", "the request's header is too large", status=431)
_BAD_HOST = Refused("bad_host", "a request needs exactly one Host header", status=400)
_BAD_REQUEST = Refused("bad_request", "this is not a well-formed HTTP/1.1 request", status=400)


def _refusing(refused: Refused) -> App:
    status, headers, body = problem(refused)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, status, [*headers, (b"connection", b"close")], body)

    return app


_REFUSE_SIZE = _refusing(_TOO_LARGE)
_REFUSE_HOST = _refusing(_BAD_HOST)
_REFUSE = _refusing(_BAD_REQUEST)
_BODY = (b"content-length", b"transfer-encoding")


class GuardedProtocol(HttpToolsProtocol):
    """One connection. `_phase` is what it waits for, `_since_s` since when (loop time).

    A request for an upgrade is answered as what it is; one with a body is refused.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._phase = "head"
        self._head_bytes = 0
        self._chunk_bytes = 0
        self._exact = False
        self._closed = False
        self._since_s = self.loop.time()

    def connection_made(self, transport: Any) -> None:
        """Take a connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a header that is not complete yet."""
        if self._closed:
            return
        if self._phase == "head":
            self._head_bytes += len(data)
        self._chunk_bytes = len(data) if self._phase == "idle" else 0
        super().data_received(data)
        if self._phase == "head" and self._head_bytes > HEAD_BYTES:
            self._close_with(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A request begins, perhaps in one piece with the end of the one before."""
        super().on_message_begin()
        if self._phase != "head":
            self._enter("head")
            # The piece it begins is its own, or begins with the end of another request: then its
            # size is known once it is complete.
            self._head_bytes = self._chunk_bytes
            self._exact = not self._chunk_bytes
            self._chunk_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer is none, the application has seen all there are."""
        if self._phase == "head":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Judge the header as a whole, then let the application begin."""
        fault = self._fault()
        self._enter("body")
        if fault is None:
            super().on_headers_complete()
            scope: dict[str, Any] = self.scope  # type: ignore[assignment]  # one key more
            scope[AT_ONCE] = partial(_write_at_once, self.cycle)
            return
        app, self.app = self.app, fault
        super().on_headers_complete()
        self.app = app

    def _fault(self) -> App | None:
        if len(self.headers) > HEAD_LINES:
            return _REFUSE_SIZE
        if self._exact or self._head_bytes > HEAD_BYTES:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > HEAD_BYTES:
                return _REFUSE_SIZE
        if self.parser.should_upgrade() and any(name in _BODY for name, _ in self.headers):
            self._closed = True  # the parser takes its body for the next request
            return _REFUSE
        hosts = sum(name == b"host" for name, _ in self.headers)
        return None if hosts == 1 else _REFUSE_HOST

    def on_message_complete(self) -> None:
        """The request is complete; the answer is ours."""
        self._phase = "answer"
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The next request may come, within uvicorn's keep-alive time."""
        if self._phase == "answer":
            self._enter("idle")
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """A parser's fault as a problem, like every other error."""
        self._close_with(_BAD_REQUEST)

    def overdue(self, now_s: float) -> bool:
        """Whether the caller has taken too long over its header or body."""
        limit_s = {"head": HEAD_S, "body": BODY_S}.get(self._phase)
        return limit_s is not None and now_s - self._since_s > limit_s

    def hang_up(self) -> None:
        """Close without an answer: nobody who is this slow reads one."""
        self.transport.abort()

    def _enter(self, phase: str) -> None:
        self._phase = phase
        self._head_bytes = 0
        self._since_s = self.loop.time()

    def _close_with(self, refused: Refused) -> None:
        status, headers, body = problem(refused)
        head = [f"HTTP/1.1 {status} ".encode()]
        head += [name + b": " + value for name, value in headers]
        head += [b"content-length: %d" % len(body), b"connection: close", b"", body]
        self.transport.write(b"\r\n".join(head))
        self.transport.close()


def _write_at_once(
    cycle: RequestResponseCycle, status: int, headers: Sequence[Header], body: bytes
) -> bool:
    """Write head and body with one call, as `RequestResponseCycle.send` does it with two.

    False leaves the answer to `send`: when the caller reads too slowly, or when a header is not
    one line, which `send` reports.
    """
    if cycle.response_started or cycle.flow.write_paused:
        return False
    lines = [name + b": " + value for name, value in (*cycle.default_headers, *headers)]
    if body or status not in (204, 304):
        lines.append(b"content-length: %d" % len(body))
    if not cycle.keep_alive:
        lines.append(b"connection: close")
    head = b"\r\n".join(lines)
    if not head.count(b"\r") == head.count(b"\n") == len(lines) - 1:
        return False
    if not cycle.disconnected:
        cycle.transport.write(b"%b%b\r\n\r\n%b" % (STATUS_LINE[status], head, body))
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


def hang_up_overdue(connections: Iterable[object], now_s: float) -> int:
    """Close the connections that are overdue; return how many."""
    late = [one for one in connections if isinstance(one, GuardedProtocol) and one.overdue(now_s)]
    for one in late:
        one.hang_up()
    return len(late)
