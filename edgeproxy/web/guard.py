"""uvicorn's HTTP protocol with the bounds it lacks: header size, header count, Host, deadlines.

A front server such as nginx has these too; the proxy must not fall when it is reached without one.
Time is looked at once a second for all connections (`overdue`), not by a timer for each request.
"""

import re
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
from edgeproxy.web.door import Door
from edgeproxy.web.problem import problem

HEAD_BYTES = 16 * 1024
HEAD_LINES = 100
HEAD_S = 5.0
BODY_S = 10.0

_TOO_LARGE = Refused("header_too_large", "the request's header is too large", status=431)
_BAD_HOST = Refused("bad_host", "a request needs exactly one Host, and a plain one", status=400)
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
"""The parser ends a request that asks for an upgrade at its header; its body would be the next."""

_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?")
"""A name or an address, and perhaps a port; more than that no site of ours is called."""

_CODED = b"transfer-encoding"
_LIMITS_S = {"new": HEAD_S, "head": HEAD_S, "body": BODY_S}


class GuardedProtocol(HttpToolsProtocol):
    """One connection.

    `_phase` is what its parser is in, `_since_s` since when (loop time): "new", "head", "body", or
    "idle" between two requests, where the answer to the last one may still be in work.
    `_loose_bytes` came in since then and are no body: of a header or trailer that has no end yet.
    A request for an upgrade is answered as what it is; one with a body is refused.
    """

    door = Door()
    """Of the listener; `guarded` gives a listener its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._host: bytes | None = None
        self._idle_s = 0.0
        self._phase = "new"
        self._since_s = self.loop.time()
        self._loose_bytes = 0
        self._piece_bytes = 0
        self._first_in_piece = True

    def connection_made(self, transport: Any) -> None:
        """Take a connection, unless there are too many."""
        super().connection_made(transport)
        self._idle_s = self.door.enter(self, self._peer)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self.door.leave(self, self._peer)
        super().connection_lost(exc)

    @property
    def _peer(self) -> str:
        return self.client[0] if self.client else ""

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a header or trailer that is not complete yet."""
        self._piece_bytes = len(data)
        self._first_in_piece = self._phase in ("new", "idle")
        if not self._first_in_piece:
            self._loose_bytes += len(data)
        super().data_received(data)
        if self._loose_bytes > HEAD_BYTES and not self.transport.is_closing():
            self._close_with(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A request begins, perhaps behind another one in the same piece of data."""
        self._enter("head")
        if self._first_in_piece:
            self._loose_bytes = self._piece_bytes
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Judge the header as a whole, then let the application begin."""
        self.door.heard(self)
        fault = self._fault()
        self._enter("body")
        app = self.app
        if fault is not None:
            self.app = fault
        super().on_headers_complete()
        self.app = app
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]  # one key more
        scope[AT_ONCE] = partial(_write_at_once, self.cycle)
        # A trailer is no header and goes nowhere. Source: RFC 9110, section 6.5.1.
        self.headers = []

    def _fault(self) -> App | None:
        if len(self.headers) > HEAD_LINES:
            return _REFUSE_SIZE
        if self._loose_bytes > HEAD_BYTES or not self._first_in_piece:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > HEAD_BYTES:
                return _REFUSE_SIZE
        return self._misread()

    def _misread(self) -> App | None:
        """Refuse what another server could understand in another way than we do."""
        names = [name for name, _ in self.headers]
        if self.parser.should_upgrade() and any(name in _BODY for name in names):
            return _REFUSE
        if _CODED in names and not self._is_chunked(self.headers[names.index(_CODED)][1]):
            return _REFUSE
        if names.count(b"host") != 1:
            return _REFUSE_HOST
        host = self.headers[names.index(b"host")][1]
        if host != self._host and _HOST.fullmatch(host) is None:
            return _REFUSE_HOST
        self._host = host
        return None

    def _is_chunked(self, coding: bytes) -> bool:
        """Whether the body is chunked and nothing else, which the parser would not undo.

        Source: RFC 9112, section 6.1; a coding in an HTTP/1.0 request is faulty framing.
        """
        return coding.strip().lower() == b"chunked" and self.parser.get_http_version() != "1.0"

    def on_body(self, body: bytes) -> None:
        """A part of the body, which the application bounds."""
        self._loose_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete; the answer is ours."""
        self._enter("idle")
        self._first_in_piece = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The next request may come; what we kept it waiting for is not held against it."""
        if not self.flow.write_paused:
            self._since_s = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The caller does not read what it asked for."""
        self._since_s = self.loop.time()
        super().pause_writing()

    def send_400_response(self, msg: str) -> None:
        """A parser's fault as a problem, like every other error."""
        self._close_with(_BAD_REQUEST)

    def overdue(self, now_s: float) -> bool:
        """Whether the caller has taken too long over its header, its body or our answer."""
        if self.flow.write_paused:
            return now_s - self._since_s > BODY_S
        if self._phase == "idle" and not self.cycle.response_complete:
            return False
        if self.flow.read_paused:
            return False
        return now_s - self._since_s > _LIMITS_S.get(self._phase, self._idle_s)

    def hang_up(self) -> None:
        """Close without an answer: nobody who is this slow reads one."""
        self.transport.abort()

    def _enter(self, phase: str) -> None:
        self._phase = phase
        self._loose_bytes = 0
        self._since_s = self.loop.time()

    def _close_with(self, refused: Refused) -> None:
        status, headers, body = problem(refused)
        head = [f"HTTP/1.1 {status} ".encode()]
        head += [name + b": " + value for name, value in headers]
        head += [b"content-length: %d" % len(body), b"connection: close", b"", body]
        self.transport.write(b"\r\n".join(head))
        self.transport.close()


def guarded(door: Door) -> type[GuardedProtocol]:
    """The protocol of a listener with this door."""
    return type("Guarded", (GuardedProtocol,), {"door": door})


def _write_at_once(
    cycle: RequestResponseCycle, status: int, headers: Sequence[Header], body: bytes, fixed: bytes
) -> bool:
    """Write head and body with one call, as `RequestResponseCycle.send` does it with two.

    `fixed` are lines of our own making. False leaves the answer to `send`: when the caller reads
    too slowly, or when a header is not one line, which `send` reports.
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
        cycle.transport.write(b"%b%b%b\r\n\r\n%b" % (STATUS_LINE[status], head, fixed, body))
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
