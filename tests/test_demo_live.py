"""The live page, its stream and its twin: three sides of each event, and nothing in the clear."""

import asyncio
import dataclasses
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from edgeproxy.demo import goods
from edgeproxy.demo.app import shop_app
from edgeproxy.demo.forward import VISITOR_ADDRESS
from edgeproxy.demo.parts import Stage
from edgeproxy.demo.stage import staged
from edgeproxy.demo.visit import EXPECTED, visit
from edgeproxy.demo.visitor import AGENT, PAGE
from edgeproxy.demo.whatif import EXPERIMENTS
from edgeproxy.demo.words import DROPS
from edgeproxy.outbound import Answer
from edgeproxy.web.listener import bind, listening
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
    answer = await get(stage, f"/live.json{query}")
    assert answer.header("content-type") == "application/json"
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def play(stage: Stage, name: str, **headers: str) -> Answer:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return await stage.outbound.request(
        "POST", f"{stage.url}/live/what-if", headers=named, body=f"play={name}".encode()
    )


async def fates(stage: Stage) -> list[tuple[str, str]]:
    events = (await twin(stage))["events"]
    return [(event["card"]["fate"], event["card"]["reason"]) for event in events]


async def test_the_page_shows_all_three_sides_newest_first(visited: Stage) -> None:
    page = (await get(visited, "/live")).body.decode()
    numbers = [int(n) for n in re.findall(r'id="event-(\d+)"', page)]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == len(EXPECTED) + 1
    for side in ("What the tag sent", "What went to Snap", "What Snap said"):
        assert page.count(side) == len(EXPECTED)
    assert "POST /v2/conversion" in page
    assert "All records processed" in page
    assert page.count(" open>") == 5


async def test_nothing_raw_is_shown_anywhere(visited: Stage) -> None:
    raw = [*goods.PERSON.values(), AGENT]
    shown = [value for value in raw if len(value) > 2]
    for path in ("/live", "/live.json", "/landing"):
        text = (await get(visited, path)).body.decode()
        # The page's own words name the address that everybody has here.
        events = re.sub(r"(?s)<footer.*?</footer>", "", text)
        assert not [value for value in [*shown, VISITOR_ADDRESS] if value in events], path


async def test_digests_are_shown_short_and_kept_whole(visited: Stage) -> None:
    purchase = next(event for event in visited.sandbox.events if event["event_type"] == "PURCHASE")
    digest = purchase["hashed_email"]
    page = (await get(visited, "/live")).body.decode()
    assert f'title="{digest}"' in page
    assert f"{digest[:8]}…{digest[-4:]}" in page
    assert digest in (await get(visited, "/live.json")).body.decode()


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


async def test_the_shop_shows_the_newest_beside_it(visited: Stage) -> None:
    page = (await get(visited, "/landing")).body.decode()
    assert page.count('<li class="event') == 12
    assert " open>" not in page


async def test_an_empty_page_says_what_to_do(stage: Stage) -> None:
    page = (await get(stage, "/live")).body.decode()
    assert "Click the ad" in page
    assert re.search(r"data-empty>", page)


async def test_each_drop_has_its_reason_in_plain_words(stage: Stage) -> None:
    wanted = {"no-consent": "no_consent", "gpc": "gpc", "robot": "bot", "unmapped": "unmapped"}
    for name in wanted:
        assert (await play(stage, name)).header("location") == "/live"
    assert await fates(stage) == [("dropped", reason) for reason in reversed(wanted.values())]
    page = (await get(stage, "/live")).body.decode()
    for reason in wanted.values():
        short, sentence = DROPS[reason]
        assert f'<span class="chip">{short}</span>' in page
        assert sentence in page
    assert stage.sandbox.attempts == 0


async def test_an_order_sent_twice_reaches_snap_once(stage: Stage) -> None:
    await play(stage, "twice")
    await eventually(lambda: stage.journey.totals["delivered"], "the order is delivered")
    assert sorted(await fates(stage)) == [("delivered", ""), ("duplicate", "")]
    assert len(stage.sandbox.events) == 1


async def test_an_outage_of_snap_costs_nothing(stage: Stage) -> None:
    await play(stage, "outage")
    await eventually(lambda: stage.journey.totals["delivered"], "the event is delivered")
    [event] = (await twin(stage))["events"]
    assert [answer["status"] for answer in event["card"]["tries"]] == [503, 503, 200]


async def test_every_experiment_has_its_button(stage: Stage) -> None:
    page = (await get(stage, "/live")).body.decode()
    assert re.findall(r'name="play" value="([\w-]+)"', page) == list(EXPERIMENTS)


async def test_an_unknown_experiment_is_a_404(stage: Stage) -> None:
    assert (await play(stage, "nothing")).status == 404


async def test_another_sites_page_cannot_play(stage: Stage) -> None:
    assert (await play(stage, "gpc", sec_fetch_site="cross-site")).status == 403
    assert (await play(stage, "gpc", sec_fetch_site="same-origin")).status == 303


async def test_an_experiment_that_fails_says_so(stage: Stage) -> None:
    """Its visitor finds nobody at the shop's address."""
    astray = dataclasses.replace(stage, url="http://127.0.0.1:1")
    async with listening(shop_app(astray), bind("127.0.0.1", 0)) as listener:
        answer = await stage.outbound.request(
            "POST", f"{listener.url}/live/what-if", body=b"play=gpc"
        )
    assert (answer.status, answer.body) == (502, b"the page /landing answers refused\n")


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
            f"GET /live/stream{query} HTTP/1.1\r\nHost: localhost\r\n".encode() + header + b"\r\n"
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
