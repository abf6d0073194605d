"""uvicorn's HTTP protocol with the bounds it lacks: header size, header count, Host, deadlines.

A front server such as nginx has these too; the proxy must not fall when it is reached without one.
Time is looked at once a second for all connections (`overdue`), not by a timer for each request.
"""

import re
from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)

from edgeproxy.errors import Refused
from edgeproxy.web.asgi import AT_ONCE, App, Receive, Scope, Send, answer
from edgeproxy.web.door import Door
from edgeproxy.web.exchange import Direct
from edgeproxy.web.once import OneExchange, write_at_once
from edgeproxy.web.problem import problem

HEAD_BYTES = 16 * 1024
HEAD_LINES = 100
HEAD_S = 5.0
BODY_S = 10.0
DIRECT_BYTES = 64 * 1024
"""A longer body takes the long way."""

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
_ODD = frozenset((_CODED, b"upgrade", b"expect"))
"""Fields whose requests take the long way."""

_BETWEEN = ("new", "idle")
_LIMITS_S = {"new": HEAD_S, "head": HEAD_S, "body": BODY_S}


class GuardedProtocol(HttpToolsProtocol):
    """One connection.

    `_phase` is what its parser is in, `_since_s` since when (loop time): "new", "head", "body", or
    "idle" between two requests, where the answer to the last one may still be in work.
    `_came_s` is when the last piece of data came. `_loose_bytes` came in since `_since_s` and are
    no body: of a header or trailer that has no end yet.
    A request for an upgrade is answered as what it is; one with a body is refused.

    What `direct` has a handler for does not become a cycle of its own when nothing is odd about it
    (`_direct_handler`); then `_handler` is set until its body is complete, and `cycle` is the one
    `OneExchange` of this connection until it is answered.
    """

    door = Door()
    """Of the listener; `guarded` gives a listener its own."""

    direct: Mapping[bytes, Direct] = MappingProxyType({})
    """Handlers of POST by target, for requests that come in one piece."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._host: bytes | None = None
        self._idle_s = 0.0
        self._phase = "new"
        self._came_s = self._since_s = self.loop.time()
        self._loose_bytes = 0
        self._piece_bytes = 0
        self._first_in_piece = True
        self._handler: Direct | None = None
        self._parts: list[bytes] = []
        self._exchange = OneExchange(self)

    def connection_made(self, transport: Any) -> None:
        """Take a connection, unless there are too many."""
        super().connection_made(transport)
        self._idle_s = self.door.enter(self, self._peer)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over; nothing holds itself, so its memory is free at once."""
        self.door.leave(self, self._peer)
        super().connection_lost(exc)
        self.cycle = None  # type: ignore[assignment]  # as before the first request
        del self._exchange

    @property
    def _peer(self) -> str:
        return self.client[0] if self.client else ""

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a header or trailer that is not complete yet."""
        self._came_s = self.loop.time()
        self._piece_bytes = len(data)
        self._first_in_piece = self._phase in _BETWEEN
        if not self._first_in_piece:
            self._loose_bytes += len(data)
        super().data_received(data)
        if self._loose_bytes > HEAD_BYTES and not self.transport.is_closing():
            self._close_with(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A request begins, perhaps behind another one in the same piece of data."""
        self._phase = "head"
        self._since_s = self._came_s
        self._loose_bytes = self._piece_bytes if self._first_in_piece else 0
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field; called for each, so what it means is looked at later."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Judge the header as a whole, then let the application begin."""
        self.door.heard(self)
        self._handler = self._direct_handler()
        if self._handler is None:
            self._begin_cycle()
        self._enter("body")

    def _direct_handler(self) -> Direct | None:
        """Who takes this request without a cycle; None when anything about it is odd."""
        handler = self.direct.get(self.url)
        if handler is None or self._loose_bytes > HEAD_BYTES or not self._first_in_piece:
            return None
        headers, parser = self.headers, self.parser
        cycle: RequestResponseCycle | None = self.cycle
        fields = dict(headers)
        length, host = fields.get(b"content-length", b""), fields.get(b"host")
        if (
            len(fields) != len(headers)
            or len(fields) > HEAD_LINES
            or not _ODD.isdisjoint(fields)
            or not (length.isdigit() and len(length) < 6 and int(length) <= DIRECT_BYTES)
            or not (host == self._host or self._is_good_host(host))
            or host is None
            or not parser.should_keep_alive()
            or (b"connection" in fields and parser.get_http_version() != "1.1")
            or parser.get_method() != b"POST"
            or not (cycle is None or cycle.response_complete)
            or self.flow.write_paused
        ):
            return None
        self._exchange.fields = fields
        return handler

    def _begin_cycle(self) -> None:
        """Go the long way, through ASGI."""
        fault = self._fault()
        url, headers = self.url, self.headers
        super().on_message_begin()  # makes the scope, and forgets what was read
        self.url = url
        self.expect_100_continue = any(
            name == b"expect" and value.lower() == b"100-continue" for name, value in headers
        )
        self.headers = self.scope["headers"] = headers
        app = self.app
        if fault is not None:
            self.app = fault
        super().on_headers_complete()
        self.app = app
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]  # one key more
        scope[AT_ONCE] = partial(write_at_once, self.cycle)
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
        return None if self._is_good_host(self.headers[names.index(b"host")][1]) else _REFUSE_HOST

    def _is_good_host(self, host: bytes | None) -> bool:
        if host is None or (host != self._host and _HOST.fullmatch(host) is None):
            return False
        self._host = host
        return True

    def _is_chunked(self, coding: bytes) -> bool:
        """Whether the body is chunked and nothing else, which the parser would not undo.

        Source: RFC 9112, section 6.1; a coding in an HTTP/1.0 request is faulty framing.
        """
        return coding.strip().lower() == b"chunked" and self.parser.get_http_version() != "1.0"

    def on_body(self, body: bytes) -> None:
        """A part of the body, which the application bounds."""
        self._loose_bytes = 0
        if self._handler is not None:
            self._parts.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete; the answer is ours."""
        self._enter("idle")
        self._first_in_piece = False
        handler = self._handler
        if handler is None:
            super().on_message_complete()
            return
        self._handler = None
        exchange, parts = self._exchange, self._parts
        exchange.body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._parts = []
        exchange.response_complete = False
        self.cycle = exchange  # type: ignore[assignment]  # as much of a cycle as is asked for here
        handler(exchange)

    def on_response_complete(self) -> None:
        """The next request may come; what we kept it waiting for is not held against it."""
        if not self.flow.write_paused:
            self._since_s = self.loop.time()
        super().on_response_complete()

    def answered(self) -> None:
        """An exchange is answered. `overdue` ends an idle connection, so there is no timer."""
        if self.pipeline or self.flow.read_paused:
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        if not self.flow.write_paused:
            self._since_s = self.loop.time()

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
        self._since_s = self._came_s

    def _close_with(self, refused: Refused) -> None:
        status, headers, body = problem(refused)
        head = [f"HTTP/1.1 {status} ".encode()]
        head += [name + b": " + value for name, value in headers]
        head += [b"content-length: %d" % len(body), b"connection: close", b"", body]
        self.transport.write(b"\r\n".join(head))
        self.transport.close()


def guarded(
    door: Door, direct: Mapping[bytes, Direct] = MappingProxyType({})
) -> type[GuardedProtocol]:
    """The protocol of a listener with this door, and its handlers for the short way."""
    return type("Guarded", (GuardedProtocol,), {"door": door, "direct": direct})


def hang_up_overdue(connections: Iterable[object], now_s: float) -> int:
    """Close the connections that are overdue; return how many."""
    late = [one for one in connections if isinstance(one, GuardedProtocol) and one.overdue(now_s)]
    for one in late:
        one.hang_up()
    return len(late)
