"""Events as they happen, over a real socket: what comes, what ends it, and what it may cost."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from edgeproxy.admin.stream import SHOWN, EventStream, Pace
from edgeproxy.errors import StoreBusy
from edgeproxy.journal.base import Filter, Journal, Trace
from edgeproxy.sites import Source
from edgeproxy.web.asgi import Message, Receive, Scope, Send
from edgeproxy.web.endpoint import Call, Endpoint, Reply, Who
from tests.admin_http import TOKEN, Visitor, admin
from tests.fakes import eventually
from tests.steps import VISITOR, came, died, dropped, went
from tests.traced import following, tell, traced

SITE = Source(id="shop")
PACE = Pace(look_s=0.01, ask_s=0.02, beat_s=0.05, rest_s=0.05)
PATH = "/v1/admin/events/stream"


class World:
    """A listener with a journal; `stopping` is what the process says."""

    visitor: Visitor
    journal: Journal
    stopping = False


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World()
    async with (
        traced(tmp_path, came("old")) as made.journal,
        admin(tmp_path, SITE, journal=made.journal, stopping=lambda: made.stopping) as made.visitor,
    ):
        yield made
        made.stopping = True


async def test_what_comes_in_is_told_and_what_becomes_of_it(world: World) -> None:
    async with following(world.visitor) as stream:
        assert stream.response.status_code == 200
        headers = stream.response.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert headers["x-accel-buffering"] == "no"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        await stream.begun()
        await tell(world.journal, *came("e1"))
        first = await stream.row()
        assert (first["event_id"], first["outcome"]) == ("e1", "waiting")
        await tell(world.journal, *went("e1"))
        second = await stream.row()
        assert (second["number"], second["outcome"]) == (first["number"], "delivered")
        assert second["reason"]["label"] == "Delivered"


async def test_a_page_goes_on_where_its_list_ended(world: World) -> None:
    cursor = (await world.visitor.get("/v1/admin/events")).json()["cursor"]
    await tell(world.journal, *came("e1"))
    await tell(world.journal, *came("e2"))
    async with following(world.visitor, f"?after={cursor}") as stream:
        assert [(await stream.row())["event_id"] for _ in range(2)] == ["e1", "e2"]


async def test_a_browser_that_comes_back_misses_nothing(world: World) -> None:
    await tell(world.journal, *came("e1"))
    async with following(world.visitor, "?after=0") as stream:
        assert (await stream.row())["event_id"] == "old"
        message = await stream.message()
    await tell(world.journal, *came("e2"))
    async with following(world.visitor, "?after=0", last_event_id=message["id"]) as stream:
        assert (await stream.row())["event_id"] == "e2"


async def test_a_last_id_that_is_none_is_not_believed(world: World) -> None:
    async with following(world.visitor, "?after=0", last_event_id="9" * 30) as stream:
        assert (await stream.row())["event_id"] == "old"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("&outcome=dropped", "d1"),
        ("&name=SAVE", "s1"),
        ("&outcome=dead", "dead1"),
        (f"&visitor={'cd' * 16}", "v1"),
        ("&text=shop.example/s1", "s1"),
    ],
)
async def test_the_filters_are_those_of_the_list(world: World, query: str, expected: str) -> None:
    await tell(world.journal, *came("p1"), *dropped("d1"), *came("s1", name="SAVE"))
    await tell(world.journal, *came("dead1", name="LOGIN"), *died("dead1", name="LOGIN"))
    await tell(world.journal, *came("v1", visitor="cd" * 16))
    async with following(world.visitor, f"?after=0{query}") as stream:
        assert (await stream.row())["event_id"] == expected


async def test_of_a_flood_the_newest_are_told(world: World) -> None:
    flood = [each for n in range(SHOWN + 30) for each in came(f"f{n}")]
    cursor = (await world.visitor.get("/v1/admin/events")).json()["cursor"]
    await tell(world.journal, *flood)
    async with following(world.visitor, f"?after={cursor}") as stream:
        told = [(await stream.row())["event_id"] for _ in range(SHOWN)]
        assert told == [f"f{n}" for n in range(30, SHOWN + 30)]
        await tell(world.journal, *came("last"))
        assert (await stream.row())["event_id"] == "last"


async def test_it_ends_when_the_process_does(world: World) -> None:
    async with following(world.visitor, "?after=0") as stream:
        await stream.row()
        world.stopping = True
        assert await stream.message() == {}
    assert world.visitor.state.seats.taken == 0


async def test_too_many_of_one_person_are_refused(world: World) -> None:
    async with AsyncExitStack() as streams:
        for _ in range(4):
            stream = await streams.enter_async_context(following(world.visitor))
            await stream.begun()
        answer = await world.visitor.get(PATH)
        assert answer.status_code == 429
        assert answer.json()["code"] == "too_many_streams"
        assert answer.headers["retry-after"] == "5"
        token = await _viewer_token(world.visitor)
        async with following(world.visitor, bearer=token) as other:
            await other.begun()
    await eventually(lambda: not world.visitor.state.seats.taken, "all seats are free")
    async with following(world.visitor) as stream:
        await stream.begun()


async def _viewer_token(visitor: Visitor, name: str = "screen") -> str:
    answer = await visitor.ask("POST", "/v1/admin/tokens", bearer=TOKEN, json={"name": name})
    token: str = answer.json()["token"]
    return token


async def test_head_opens_no_stream(world: World) -> None:
    answer = await world.visitor.ask("HEAD", PATH, bearer=TOKEN)
    assert answer.status_code == 200
    assert world.visitor.state.seats.taken == 0


# --- faster, with a row of its own ---------------------------------------------------------------


def quick(pace: Pace = PACE) -> Endpoint:
    """The stream at another pace."""

    async def handle(call: Call) -> Reply:
        return Reply(app=stream_of(call.state, call.who, pace=pace, after=0))

    return Endpoint(method="GET", path="/v1/quick", handle=handle, summary="x", role="viewer")


def stream_of(state: Any, who: Who | None, **more: Any) -> EventStream:
    fields: dict[str, Any] = {
        "journal": state.journal,
        "wanted": Filter(),
        "after": None,
        "written": lambda trace: trace.event_id,
        "pace": PACE,
        **more,
    }
    return EventStream(state=state, who=who, **fields)


class Flaky:
    """A journal that can be read only when `well`, and may be lost."""

    def __init__(self) -> None:
        self.well = True
        self.traces_: list[Trace] = []
        self.looks = 0

    async def traces(
        self, filter: Filter, *, before: int | None = None, after: int = 0, limit: int = 50
    ) -> list[Trace]:
        """See `Journal.traces`."""
        self.looks += 1
        if not self.well:
            raise StoreBusy("journal_off", "the journal is off")
        found = [one for one in self.traces_ if one.changed > after]
        return sorted(found, key=lambda one: -one.changed)[:limit]

    def has(self, id_: str, changed: int) -> None:
        """One more trace."""
        trace = Trace(number=changed, changed=changed, event_id=id_, wire_id=id_, visitor=VISITOR)
        self.traces_.append(trace)


async def data(lines: AsyncIterator[str]) -> str:
    async with asyncio.timeout(10):
        async for line in lines:
            if line.startswith("data: "):
                return line.removeprefix("data: ")
    return "the end"


async def test_a_revoked_session_ends_its_stream(tmp_path: Path) -> None:
    journal = Flaky()
    async with admin(tmp_path, SITE, journal=journal, endpoints=[quick()]) as visitor:
        await visitor.log_in()
        journal.has("e1", 1)
        async with visitor.client.stream("GET", "/v1/quick") as response:
            lines = response.aiter_lines()
            assert await data(lines) == "e1"
            await visitor.send("/logout", {"csrf": await visitor.phrase()})
            assert await data(lines) == "the login has ended"
            assert await data(lines) == "the end"


async def test_a_silent_session_ends_its_stream(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE, journal=Flaky(), endpoints=[quick()]) as visitor:
        await visitor.log_in()
        async with visitor.client.stream("GET", "/v1/quick") as response:
            visitor.caller.clock.pass_s(31 * 60)
            assert await data(response.aiter_lines()) == "the login has ended"


async def test_a_revoked_token_ends_its_stream(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE, journal=Flaky(), endpoints=[quick()]) as visitor:
        token = await _viewer_token(visitor)
        bearer = {"Authorization": f"Bearer {token}"}
        async with visitor.client.stream("GET", "/v1/quick", headers=bearer) as response:
            lines = response.aiter_lines()
            id_ = token.split("_")[1]
            gone = await visitor.ask("DELETE", f"/v1/admin/tokens/{id_}", bearer=TOKEN)
            assert gone.status_code in (200, 204)
            assert await data(lines) == "the login has ended"


async def test_a_stream_that_nobody_asked_for_by_name_ends(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE, journal=Flaky()) as visitor:
        sent = await _played(stream_of(visitor.state, None))
    assert b"the login has ended" in sent


async def _played(stream: EventStream) -> bytes:
    """What a stream sends until it ends, without a server."""
    bodies: list[bytes] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        bodies.append(message.get("body", b""))

    async with asyncio.timeout(10):
        await stream({"type": "http", "method": "GET"}, receive, send)
    return b"".join(bodies)


async def test_it_gives_signs_of_life(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE, journal=Flaky(), endpoints=[quick()]) as visitor:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with visitor.client.stream("GET", "/v1/quick", headers=headers) as response:
            async with asyncio.timeout(10):
                lines = [line async for line in _first(response, 6)]
    assert lines[:2] == [": from here on", "retry: 2000"]
    assert ": here" in lines


async def _first(response: httpx.Response, n: int) -> AsyncIterator[str]:
    async for line in response.aiter_lines():
        yield line
        n -= 1
        if not n:
            return


async def test_a_journal_that_cannot_be_read_is_asked_again(tmp_path: Path) -> None:
    journal = Flaky()
    journal.well = False
    async with admin(tmp_path, SITE, journal=journal, endpoints=[quick()]) as visitor:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with visitor.client.stream("GET", "/v1/quick", headers=headers) as response:
            lines = response.aiter_lines()
            assert await data(lines) == "the journal is off"
            journal.has("e1", 1)
            journal.well = True
            assert await data(lines) == "e1"


async def test_a_journal_that_begins_anew_is_followed_from_its_beginning(tmp_path: Path) -> None:
    journal = Flaky()
    journal.has("before", 1000)
    async with admin(tmp_path, SITE, journal=journal, endpoints=[quick()]) as visitor:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with visitor.client.stream("GET", "/v1/quick", headers=headers) as response:
            lines = response.aiter_lines()
            assert await data(lines) == "before"
            journal.traces_.clear()
            journal.has("anew", 1)
            assert await data(lines) == "anew"


async def test_while_a_reader_does_not_read_nothing_is_fetched(tmp_path: Path) -> None:
    """The listener hangs up on them after a while; until then they cost nothing."""
    journal, stuck, gone = Flaky(), asyncio.Event(), asyncio.Event()
    async with admin(tmp_path, SITE, journal=journal) as visitor:
        who = Who(name="jane", role="viewer", via="token", token_id="configuration")
        stream = stream_of(visitor.state, who, after=0)
        journal.has("e1", 1)

        async def receive() -> Message:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if b"e1" in message.get("body", b""):
                stuck.set()
                await asyncio.Event().wait()

        async with asyncio.TaskGroup() as tasks, asyncio.timeout(10):
            tasks.create_task(_called(stream, receive, send))
            await stuck.wait()
            looks = journal.looks
            assert visitor.state.seats.taken == 1
            for _ in range(20):
                await asyncio.sleep(PACE.look_s)  # what is shown is that nothing happens
            assert journal.looks == looks
            gone.set()
            await eventually(lambda: not visitor.state.seats.taken, "all seats are free")


async def _called(stream: EventStream, receive: Receive, send: Send) -> None:
    scope: Scope = {"type": "http", "method": "GET"}
    await stream(scope, receive, send)


async def test_a_narrow_filter_looks_only_at_what_is_new(tmp_path: Path) -> None:
    journal = Flaky()
    asked: list[int] = []

    async def traces(filter: Filter, *, after: int = 0, limit: int = 50) -> list[Trace]:
        if filter.name:
            asked.append(after)
            return []
        return await journal.traces(filter, after=after, limit=limit)

    async with admin(tmp_path, SITE) as visitor:
        state = dataclasses.replace(visitor.state, stopping=lambda: len(asked) >= 2)
        who = Who(name="jane", role="viewer", via="token", token_id="configuration")
        reader = type("Reader", (), {"traces": staticmethod(traces)})()
        journal.has("a", 5)
        stream = stream_of(state, who, journal=reader, wanted=Filter(name="SAVE"), after=0)

        async def more() -> None:
            await eventually(lambda: asked, "it was asked once")
            journal.has("b", 9)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(more())
            await _played(stream)
    assert asked == [0, 5]
