"""Answers that are written with one call: of an exchange, and of a cycle that has its body at once.

uvicorn writes an answer's head and body apart; each write is a call into the system.
"""

from collections.abc import Coroutine, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from edgeproxy.web.asgi import AT_ONCE, Header
from edgeproxy.web.exchange import Fields

if TYPE_CHECKING:
    from edgeproxy.web.guard import GuardedProtocol


class OneExchange:
    """The request that a connection is at, when it goes the short way. Reused for the next one.

    To uvicorn it is the connection's cycle: it looks at `response_complete`, sets `disconnected`
    when the caller leaves and `keep_alive` when the server stops.
    """

    __slots__ = (
        "_protocol",
        "body",
        "disconnected",
        "fields",
        "keep_alive",
        "response_complete",
    )

    def __init__(self, protocol: "GuardedProtocol") -> None:
        self._protocol = protocol
        self.fields: Fields = {}
        self.body = b""
        self.disconnected = False
        self.keep_alive = True
        self.response_complete = True

    @property
    def message_event(self) -> Self:
        """What uvicorn sets when more of the body is there; no attribute, or it held itself."""
        return self

    def set(self) -> None:
        """Nobody waits for more of the body."""

    @property
    def peer(self) -> str:
        """See `Exchange.peer`."""
        client = self._protocol.client
        return client[0] if client else ""

    def answer(self, status: int, lines: bytes, body: bytes) -> None:
        """See `Exchange.answer`."""
        protocol = self._protocol
        if not self.disconnected:
            self._protocol.transport.write(
                b"%b%b%b%bcontent-length: %d\r\n\r\n%b"
                % (
                    STATUS_LINE[status],
                    _lines(tuple(protocol.server_state.default_headers)),
                    lines,
                    b"" if self.keep_alive else b"connection: close\r\n",
                    len(body),
                    body,
                )
            )
            if not self.keep_alive:
                protocol.transport.close()
        self.response_complete = True
        protocol.answered()

    def refuse(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """See `Exchange.refuse`."""
        self.answer(status, b"".join([b"%b: %b\r\n" % header for header in headers]), body)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """See `Exchange.later`."""
        tasks = self._protocol.tasks
        task = self._protocol.loop.create_task(work)
        task.add_done_callback(tasks.discard)
        tasks.add(task)


def write_at_once(
    cycle: RequestResponseCycle, status: int, headers: Sequence[Header], body: bytes, fixed: bytes
) -> bool:
    """Write head and body with one call, as `RequestResponseCycle.send` does it with two.

    `fixed` are lines of our own making. False leaves the answer to `send`: when the caller reads
    too slowly, or when a header is not one line, which `send` reports.
    """
    if cycle.response_started or cycle.flow.write_paused:
        return False
    given = _lines_of(headers)
    if given is None:
        return False
    head = [STATUS_LINE[status], _lines(tuple(cycle.default_headers)), given, fixed]
    if body or status not in (204, 304):
        head.append(b"content-length: %d\r\n" % len(body))
    if not cycle.keep_alive:
        head.append(b"connection: close\r\n")
    if not cycle.disconnected:
        cycle.transport.write(b"%b\r\n%b" % (b"".join(head), body))
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    scope: dict[str, Any] = cycle.scope  # type: ignore[assignment]  # one key more, see the guard
    scope.pop(AT_ONCE, None)  # it holds the cycle, which holds it
    cycle.on_response()
    return True


@lru_cache(64)
def _lines(headers: tuple[Header, ...]) -> bytes:
    """Headers that many answers share as text; the server's own change once a second."""
    return b"".join(b"%b: %b\r\n" % header for header in headers)


def _lines_of(headers: Sequence[Header]) -> bytes | None:
    """Headers as text; None when one of them is not one line."""
    text = b"".join([b"%b: %b\r\n" % header for header in headers])
    return text if text.count(b"\r") == text.count(b"\n") == len(headers) else None
