"""Answers that go wrong on purpose: late, drop by drop, cut in the middle, or not at all.

uvicorn gives an application no way to break its connection, so `BreakableProtocol` puts the
transport into the scope. Once the transport is closed, the application waits for the server to
notice; then nothing is logged, because a caller that went away is no error.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import cast

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from edgeproxy.sandbox.script import Answer

_EXTENSION = "edgeproxy.connection"
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing sends a reset
_PROMISED = 64
"""Bytes promised in Content-Length when an empty body is to be cut."""


class BreakableProtocol(HttpToolsProtocol):
    """uvicorn's own protocol, whose connections can be broken by the application."""

    def on_message_begin(self) -> None:
        """Start a request's scope, with the transport in it."""
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"transport": self.transport}}


class Held:
    """The connections with a scripted answer under way, so that a stop need not wait for them."""

    def __init__(self) -> None:
        self._transports: set[asyncio.Transport] = set()

    def release(self) -> None:
        """Break them all."""
        for transport in self._transports:
            transport.abort()

    @contextlib.contextmanager
    def holding(self, transport: asyncio.Transport) -> Iterator[None]:
        """Remember one for the length of the block."""
        self._transports.add(transport)
        try:
            yield
        finally:
            self._transports.discard(transport)


class ScriptedResponse(Response):
    """An answer played as a script's entry says; needs `BreakableProtocol`."""

    def __init__(self, content: bytes, status_code: int, answer: Answer, held: Held) -> None:
        super().__init__(content, status_code, {**_content_type(content), **answer.headers})
        self._content = content
        self._answer = answer
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then answer, or break off where the script says."""
        transport = cast(asyncio.Transport, scope["extensions"][_EXTENSION]["transport"])
        with self._held.holding(transport):
            if await _left(receive, self._answer.delay_ms):
                return
            if self._answer.disconnect == "before":
                transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, _RESET
                )
                transport.abort()
                await _gone(receive)
            elif self._answer.disconnect is not None:
                await self._cut(transport, receive, send)
            elif self._answer.drip_ms:
                await self._drip(receive, send)
            else:
                await super().__call__(scope, receive, send)

    async def _cut(self, transport: asyncio.Transport, receive: Receive, send: Send) -> None:
        if not self._content:
            self.headers["content-length"] = str(_PROMISED)
        await self._start(send)
        if self._answer.disconnect == "mid_body":
            await _piece(send, self._content[: len(self._content) // 2])
        transport.close()  # what was sent still leaves
        await _gone(receive)

    async def _drip(self, receive: Receive, send: Send) -> None:
        await self._start(send)
        for index in range(len(self._content)):
            await _piece(send, self._content[index : index + 1])
            if await _left(receive, self._answer.drip_ms):
                return
        await send({"type": "http.response.body", "body": b""})

    async def _start(self, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )


async def _piece(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _left(receive: Receive, delay_ms: int) -> bool:
    """Wait; True as soon as the caller has gone away."""
    if not delay_ms:
        return False
    try:
        async with asyncio.timeout(delay_ms / 1000):
            await _gone(receive)
    except TimeoutError:
        return False
    return True


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _content_type(content: bytes) -> dict[str, str]:
    kind = "application/json" if content[:1] in (b"{", b"[") else "text/html; charset=utf-8"
    return {"content-type": kind} if content else {}
