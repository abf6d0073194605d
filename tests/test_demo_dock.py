"""The dock beside the shop, its stream and its twin: every event, and nothing in the clear."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from edgeproxy.demo import goods
from edgeproxy.demo.dock import SHOWN
from edgeproxy.demo.forward import VISITOR_ADDRESS
from edgeproxy.demo.parts import Stage
from edgeproxy.demo.stage import staged
from edgeproxy.demo.visit import EXPECTED, visit
from edgeproxy.demo.visitor import AGENT, PAGE
from edgeproxy.outbound import Answer
from tests.fakes import eventually
from tests.raw_http import connected


@pytest.fixture(scope="module")
async def visited() -> AsyncIterator[Stage]:
    """After a whole visit; tests do not change it."""
    async with staged(port=0) as stage:
        await visit(stage, stage.visitor(), say=lambda _: None)
        await eventually(
            lambda: stage.journey.totals["delivered"] == len(EXPECTED), "all is delivered"
        )
        yield stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged(port=0) as stage:
        yield stage


async def get(stage: Stage, path: str) -> Answer:
    return await stage.outbound.request("GET", stage.url + path, limit_bytes=4 << 20)


async def twin(stage: Stage, query: str = "") -> dict[str, Any]:
    answer = await get(stage, f"/dock.json{query}")
    assert answer.header("content-type") == "application/json"
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def play(stage: Stage, name: str, **headers: str) -> Answer:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return await stage.outbound.request(
        "POST", f"{stage.url}/backstage/play", headers=named, body=f"play={name}".encode()
    )


async def fates(stage: Stage) -> list[tuple[str, str]]:
    events = (await twin(stage))["events"]
    return [(event["card"]["fate"], event["card"]["reason"]) for event in events]


async def test_the_newest_come_first_and_lead_into_the_dashboard(visited: Stage) -> None:
    page = (await get(visited, "/landing")).body.decode()
    numbers = [int(n) for n in re.findall(r'id="event-(\d+)"', page)]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == SHOWN
    ids = [card.id for card in visited.journey.cards[:SHOWN]]
    assert re.findall(r'href="/dashboard/events/([\w-]+)"', page) == ids


async def test_nothing_raw_is_shown_anywhere(visited: Stage) -> None:
    raw = [*goods.PERSON.values(), AGENT]
    shown = [value for value in raw if len(value) > 2]
    for path in ("/dock.json", "/landing", "/backstage"):
        text = (await get(visited, path)).body.decode()
        # The page's own words name the address that everybody has here.
        events = re.sub(r"(?s)<footer.*?</footer>", "", text)
        assert not [value for value in [*shown, VISITOR_ADDRESS] if value in events], path


async def test_the_twin_has_what_the_page_has(visited: Stage) -> None:
    found = await twin(visited)
    assert found["totals"]["delivered"] == len(EXPECTED)
    assert found["next"] == visited.journey.rev
    purchase = next(each for each in found["events"] if each["card"]["name"] == "PURCHASE")
    card = purchase["card"]
    assert card["called"] == "Order Completed"
    assert card["taken"]["goods"]["order_id"] == card["sent"]["transaction_id"]
    assert card["sent"]["user_agent"] == card["sent"]["hashed_ip_address"] == "••••"
    assert card["tries"][0]["status"] == 200
    assert purchase["says"] == "Snap has accepted it."
    assert {"click id", "e-mail", "phone", "IP", "_scid"} <= set(purchase["matches"])


async def test_the_twin_gives_what_changed_since(visited: Stage) -> None:
    rev = visited.journey.rev
    assert (await twin(visited, f"?since={rev}"))["events"] == []
    assert len((await twin(visited, f"?since={rev - 1}"))["events"]) == 1
    assert len((await twin(visited, "?since=nonsense"))["events"]) == len(EXPECTED) + 1


async def test_an_empty_dock_says_why(stage: Stage) -> None:
    page = (await get(stage, "/landing")).body.decode()
    assert "until the visitor agrees" in page
    assert re.search(r"data-empty>", page)


class Stream:
    """An open live stream, event by event."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def next(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        while True:
            async with asyncio.timeout(10):
                line = (await self._reader.readline()).decode()
            assert line, "the stream has ended"
            name, _, value = line.strip().partition(": ")
            if name in ("event", "id", "data"):
                fields[name] = value
            elif not line.strip() and "event" in fields:
                return fields

    async def end(self) -> bytes:
        """What comes until the last, empty chunk; the connection may live on."""
        async with asyncio.timeout(10):
            return await self._reader.readuntil(b"\r\n0\r\n\r\n")


@asynccontextmanager
async def streaming(
    stage: Stage, query: str = "", header: bytes = b""
) -> AsyncIterator[tuple[Stream, bytes]]:
    port = int(stage.url.rpartition(":")[2])
    async with connected(port) as client:
        await client.write(
            f"GET /dock/stream{query} HTTP/1.1\r\nHost: localhost\r\n".encode() + header + b"\r\n"
        )
        async with asyncio.timeout(10):
            head = await client.reader.readuntil(b"\r\n\r\n")
        yield Stream(client.reader), head.lower()


async def test_the_stream_tells_each_change(stage: Stage) -> None:
    async with streaming(stage) as (stream, head):
        assert b"x-accel-buffering: no" in head
        assert b"cache-control: no-store" in head
        assert b"content-type: text/event-stream" in head
        await play(stage, "gpc")
        told = await stream.next()
        data = json.loads(told["data"])
        assert (told["event"], told["id"], data["n"]) == ("card", "1", 1)
        assert 'id="event-1"' in data["html"]
        assert data["totals"]["dropped"] == 1
        assert data["news"] == "page: Privacy signal"


async def test_a_stream_begins_where_the_page_ends(stage: Stage) -> None:
    await play(stage, "gpc")
    await play(stage, "robot")
    async with streaming(stage, "?since=1") as (stream, _):
        assert (await stream.next())["id"] == "2"
    async with streaming(stage, "?since=0", b"Last-Event-ID: 1\r\n") as (stream, _):
        assert (await stream.next())["id"] == "2"


async def test_a_page_of_an_earlier_run_is_told_to_start_again(stage: Stage) -> None:
    async with streaming(stage, "?life=other&since=99") as (stream, _):
        assert (await stream.next())["event"] == "reset"
    await play(stage, "gpc")
    async with streaming(stage, f"?life={stage.life}") as (stream, _):
        assert (await stream.next())["event"] == "card"


async def test_open_streams_end_with_the_demo() -> None:
    """Else uvicorn would wait for them until its patience ends."""
    async with staged(port=0) as stage, streaming(stage) as (stream, _):
        stage.journey.close()
        assert await stream.end()


async def test_a_stream_that_is_left_leaves_nothing_behind(stage: Stage) -> None:
    async with streaming(stage):
        await eventually(lambda: stage.journey.listening == 1, "the stream listens")
    visitor = stage.visitor()
    await visitor.open("/landing")
    await visitor.tell(PAGE)
    await eventually(lambda: stage.journey.listening == 0, "nobody listens any more")
