"""One small request and its answer without a task of its own: the short way past ASGI.

A server of ASGI makes a scope, a cycle and a task for each request. A request that is complete in
one piece, as nearly all of the hot path are, needs none of them: its handler is called with header
fields and body, and answers now, or when the store does.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from edgeproxy.web.asgi import Header

Fields = dict[bytes, bytes]
"""Header fields by lower-case name; each came once."""


class Exchange(Protocol):
    """One request that waits for its answer; a caller who has left is none of its users' concern.

    Attributes:
        fields: The request's header.
        body: The whole body.
    """

    fields: Fields
    body: bytes

    @property
    def peer(self) -> str:
        """The address of the connection's other end, "" for none."""
        ...

    def answer(self, status: int, lines: bytes, body: bytes) -> None:
        """Send the answer: header lines of our own making, each with its CR LF, and a body."""
        ...

    def refuse(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Send an answer whose headers are pairs."""
        ...

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Go on in a task, which the server waits for when it stops."""
        ...


Direct = Callable[[Exchange], None]
"""Answers an exchange, at once or later; raises nothing."""
