"""Where the token goes, and that it comes back from nowhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from edgeproxy.outbound import Outbound
from edgeproxy.sites import Integration, Secret
from edgeproxy.snap.transport import SnapTransport
from edgeproxy.wire import WireRequest

TOKEN = "eyJ canary/token+1"
V2 = WireRequest(path="/v2/conversion", body=b'{"a":1}', token_in="header", events=1)
V3 = WireRequest(path="/v3/pixel/events", body=b'{"data":[]}', token_in="query", events=1)
INTEGRATION = Integration(id="shop/1", source="shop", access_token=Secret(TOKEN))


@asynccontextmanager
async def snap(answer: bytes, heard: list[bytes]) -> AsyncIterator[str]:
    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        heard.append(head + await reader.readexactly(length))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    made = Outbound(deadline_s=5)
    yield made
    await made.close()


def http(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def test_v2_carries_the_token_in_the_header_only(outbound: Outbound) -> None:
    heard: list[bytes] = []
    async with snap(http("200 OK", b'{"status":"SUCCESS"}'), heard) as upstream:
        answer = await SnapTransport(upstream, outbound).send(V2, INTEGRATION)
    assert (answer.status, answer.body) == (200, b'{"status":"SUCCESS"}')
    assert answer.latency_ms > 0
    assert heard[0].startswith(b"POST /v2/conversion HTTP/1.1\r\n")
    assert f"Authorization: Bearer {TOKEN}\r\n".encode() in heard[0]
    assert b"Content-Type: application/json\r\n" in heard[0]
    assert heard[0].endswith(b'\r\n\r\n{"a":1}')


async def test_v3_carries_the_token_in_the_query_only(outbound: Outbound) -> None:
    heard: list[bytes] = []
    async with snap(http("200 OK", b"{}"), heard) as upstream:
        await SnapTransport(upstream + "/", outbound).send(V3, INTEGRATION)
    line = b"POST /v3/pixel/events?access_token=eyJ+canary%2Ftoken%2B1 HTTP/1.1\r\n"
    assert heard[0].startswith(line)
    assert b"authorization" not in heard[0].lower()


async def test_an_answer_that_repeats_the_token_is_masked(outbound: Outbound) -> None:
    echo = f'{{"reason":"bad token {TOKEN} in access_token=eyJ+canary%2Ftoken%2B1"}}'
    async with snap(http("401 No", echo.encode()), []) as upstream:
        answer = await SnapTransport(upstream, outbound).send(V3, INTEGRATION)
    assert answer.body.decode() == '{"reason":"bad token •••• in access_token=••••"}'


async def test_the_wait_that_snap_dictates_is_handed_on(outbound: Outbound) -> None:
    async with snap(http("429 Slow", b"", "Retry-After: 7"), []) as upstream:
        answer = await SnapTransport(upstream, outbound).send(V2, INTEGRATION)
    assert (answer.status, answer.retry_after) == (429, "7")


async def test_a_network_fault_is_a_value_without_the_token(outbound: Outbound) -> None:
    answer = await SnapTransport("http://127.0.0.1:1", outbound).send(V3, INTEGRATION)
    assert (answer.status, answer.fault) == (None, "refused")
    assert "canary" not in repr(answer)


@pytest.mark.parametrize("path", ["@evil.example/v2", "", ".evil.example/"])
async def test_a_path_cannot_move_the_token_to_another_host(outbound: Outbound, path: str) -> None:
    request = msgspec.structs.replace(V2, path=path)
    with pytest.raises(ValueError, match="begins with /"):
        await SnapTransport("http://127.0.0.1:1", outbound).send(request, INTEGRATION)


async def test_an_empty_token_does_not_turn_an_answer_into_dots(outbound: Outbound) -> None:
    bare = msgspec.structs.replace(INTEGRATION, access_token=Secret(""))
    async with snap(http("401 No", b"no"), []) as upstream:
        answer = await SnapTransport(upstream, outbound).send(V3, bare)
    assert (answer.status, answer.body) == (401, b"no")
