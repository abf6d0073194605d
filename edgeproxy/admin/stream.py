"""Events as they happen, as Server-Sent Events: the journal is looked at twice a second.

Of what happens in between only the newest is told, so that no rate of events makes a stream
expensive. A reader who does not read is not asked for: the listener hangs up on them.

Source: HTML, server-sent events; `X-Accel-Buffering: no` keeps nginx from collecting them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import msgspec
from sse_starlette import EventSourceResponse, ServerSentEvent

from edgeproxy.admin.auth import OWN
from edgeproxy.admin.sessions import is_current
from edgeproxy.admin.state import AdminState
from edgeproxy.admin.tokens import read_token
from edgeproxy.errors import StoreBusy
from edgeproxy.journal.base import Filter, Journal, Trace
from edgeproxy.web.asgi import Receive, Scope, Send
from edgeproxy.web.endpoint import Who

SHOWN = 50
"""So many events are told of each look; nobody reads more."""

RETRY_MS = 2000
"""After how long a browser comes back."""

Written = Callable[[Trace], str]
"""A trace as one line of JSON."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How often things are done, in seconds.

    Attributes:
        look_s: The journal is looked at.
        ask_s: Whether the reader may still see it is asked.
        beat_s: A sign of life is sent.
        rest_s: A journal that could not be read is left alone.
    """

    look_s: float = 0.5
    ask_s: float = 2.0
    beat_s: float = 15.0
    rest_s: float = 5.0


PACE = Pace()


class EventStream:
    """An ASGI application that answers one request with a stream.

    Args:
        state: Its parts; `state.seats` bounds how many there are.
        who: Whom it is for.
        journal: Where events are found.
        wanted: Which of them.
        after: The cursor that the reader has; None for from here on.
        written: Makes the data of one message.
        pace: How often things are done.
    """

    def __init__(
        self,
        *,
        state: AdminState,
        who: Who | None,
        journal: Journal,
        wanted: Filter,
        after: int | None,
        written: Written,
        pace: Pace = PACE,
    ) -> None:
        self._state = state
        self._who = who
        self._journal = journal
        self._wanted = wanted
        self._after = after
        self._written = written
        self._pace = pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer.

        Raises:
            Refused: 429, there are too many streams; nothing was sent.
        """
        who = self._who
        with self._state.seats.one((who.session or who.token_id) if who else ""):
            response = EventSourceResponse(
                self._messages(),
                ping=self._pace.beat_s,
                ping_message_factory=lambda: ServerSentEvent(comment="here"),
            )
            await response(scope, receive, send)

    async def _messages(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        asked_s, rest_until_s = loop.time(), 0.0
        with suppress(StoreBusy):
            await self._begin()
        # The server sends the headers with the first bytes, and the page waits for them.
        yield ServerSentEvent(comment="from here on", retry=RETRY_MS).encode()
        while not self._state.stopping():
            try:
                if loop.time() - asked_s >= self._pace.ask_s:
                    asked_s = loop.time()
                    if not await self._welcome():
                        yield ServerSentEvent(event="over", data="the login has ended").encode()
                        return
                    await self._begin_anew_if_lost()
                if loop.time() >= rest_until_s and (found := await self._news()):
                    yield found
            except StoreBusy as busy:
                rest_until_s = loop.time() + self._pace.rest_s
                yield ServerSentEvent(event="pause", data=busy.message).encode()
            await asyncio.sleep(self._pace.look_s)

    async def _news(self) -> bytes:
        """What has changed since the last look, the newest last; b"" for nothing."""
        after = await self._begin()
        # Asked first, and for all events: so that a look behind a narrow filter gets no longer
        # with each that finds nothing.
        latest = await self._latest(after)
        if not latest:
            return b""
        found = await self._journal.traces(self._wanted, after=after, limit=SHOWN)
        self._after = max(latest, found[0].changed) if found else latest
        messages = [
            ServerSentEvent(id=str(trace.changed), data=self._written(trace))
            for trace in reversed(found)
        ]
        return b"".join([message.encode() for message in messages])

    async def _begin(self) -> int:
        """The reader's cursor; from here on, when there is none."""
        if self._after is None:
            self._after = await self._latest(0)
        return self._after

    async def _begin_anew_if_lost(self) -> None:
        """A journal that was lost begins anew, with cursors smaller than ours."""
        if self._after and await self._latest(0) < self._after:
            self._after = 0

    async def _latest(self, after: int) -> int:
        """The cursor of the latest change of any event since another cursor; 0 for none."""
        found = await self._journal.traces(Filter(), after=after, limit=1)
        return found[0].changed if found else 0

    async def _welcome(self) -> bool:
        """Whether the reader could still log in by what they came with."""
        who = self._who
        if who is None:
            return False
        if who.session:
            return await is_current(self._state, who.session)
        if who.token_id == OWN:
            return True
        token = await read_token(self._state.office, who.token_id)
        return token is not None and token.role == who.role
