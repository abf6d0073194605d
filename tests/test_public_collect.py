"""Posts go through the steps side by side, and each gets its own answer, whatever others do."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgeproxy.addresses import TrustedProxies
from edgeproxy.errors import StoreBusy
from edgeproxy.master import MasterSigner
from edgeproxy.public.collect import Collector
from edgeproxy.public.state import State
from edgeproxy.registry import Registry
from edgeproxy.sites import Integration, Secret, Source
from edgeproxy.store.base import Item, Told
from edgeproxy.store.sqlite.store import SqliteStore
from edgeproxy.trace import Watching
from edgeproxy.web.asgi import Header
from tests.edge import ORIGIN, now_ms
from tests.fakes import PIXEL, KeptLog

SOURCE = Source(
    id="shop",
    origins=(ORIGIN,),
    integrations=(Integration(id="snap", source="shop", access_token=Secret("t"), pixel_id=PIXEL),),
)


class Answered:
    """An exchange that keeps what it is answered."""

    def __init__(self, body: object, **fields: str) -> None:
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"origin": ORIGIN, "host": "edge.example.com", "user-agent": "Mozilla/5.0 Firefox"}
        self.fields = {
            name.replace("_", "-").encode(): value.encode()
            for name, value in {**given, **fields}.items()
        }
        self.peer = "127.0.0.1"
        self.done = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self.status, self.head, self.said = 0, b"", b""

    def answer(self, status: int, lines: bytes, body: bytes) -> None:
        assert not self.done.is_set(), "one answer"
        self.status, self.head, self.said = status, lines, body
        self.done.set()

    def refuse(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        self.answer(status, b"".join(b"%b: %b\r\n" % header for header in headers), body)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    @property
    def code(self) -> str:
        """The code of a refusal."""
        found: str = json.loads(self.said)["code"]
        return found


class Failing(SqliteStore):
    """A store that refuses the items of some events."""

    refused: Callable[[bytes], Exception | None] = staticmethod(lambda body: None)
    told_later: Callable[[bytes], Exception | None] = staticmethod(lambda body: None)

    def submit(self, items: Sequence[Item], told: Told) -> None:
        body = items[-1].entries[0].body
        if error := type(self).refused(body):
            raise error
        if error := type(self).told_later(body):
            told((), error)
        else:
            super().submit(items, told)


class Door:
    """A collector over a real store."""

    def __init__(self, store: SqliteStore, watching: Watching | None = None) -> None:
        self.log = KeptLog()
        self.state = State(
            registry=Registry([SOURCE]),
            store=store,
            signer=MasterSigner([b"k" * 32]),
            seal=bytes,
            proxies=TrustedProxies(["127.0.0.1"]),
            visitor_key=b"v" * 32,
            trace_key=b"t" * 32,
            now_ms=now_ms,
            new_id=iter(f"minted-{number:06}" for number in range(10_000)).__next__,
            wake=lambda _: None,
            log=self.log,
            stopping=lambda: False,
            watching=watching,
        )
        self.collector = Collector(self.state, asyncio.get_running_loop())

    async def take(self, *posts: Answered) -> None:
        """Take them in one turn of the loop; returns when all are answered."""
        for post in posts:
            self.collector.take(post)
        async with asyncio.timeout(10):
            for post in posts:
                await post.done.wait()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await Failing.open(str(tmp_path / "edge.db"), now_ms=now_ms)
    yield opened
    Failing.refused = Failing.told_later = staticmethod(lambda body: None)
    await opened.close()


@pytest.fixture
async def door(store: SqliteStore) -> Door:
    return Door(store)


def batch(event_id: str, **more: object) -> dict[str, object]:
    return {"consent": {"ad": True}, "events": [{"name": "page", "id": event_id}], **more}


async def test_each_of_many_visitors_gets_its_own_cookies_and_its_own_event(door: Door) -> None:
    posts = [
        Answered(batch(f"event-{number}"), cookie=f"_scid=visitor-{number:04}")
        for number in range(150)
    ]
    await door.take(*posts)
    for number, post in enumerate(posts):
        assert post.status == 202
        assert f"set-cookie: _scid=visitor-{number:04};".encode() in post.head
        assert json.loads(post.said)["accepted"] == 1
    lease = await door.state.store.claim("snap", limit=500, max_bytes=1 << 20, lease_s=60)
    bodies = [msgspec.json.decode(row.body) for row in lease.rows]
    assert {(body["id"], body["scid"]) for body in bodies} == {
        (f"event-{number}", f"visitor-{number:04}") for number in range(150)
    }


async def test_what_is_wrong_with_one_is_answered_to_that_one(door: Door) -> None:
    good = [Answered(batch(f"good-{number}")) for number in range(4)]
    unreadable = Answered(b"{")
    foreign = Answered(batch("foreign"), origin="https://evil.example")
    packed = Answered(batch("packed"), content_encoding="gzip")
    unmapped = Answered({"consent": {"ad": True}, "events": [{"name": "quiz"}]})
    await door.take(good[0], unreadable, good[1], foreign, packed, good[2], unmapped, good[3])
    assert [post.status for post in good] == [202] * 4
    assert (unreadable.status, unreadable.code) == (400, "unreadable")
    assert (foreign.status, foreign.code) == (403, "foreign_origin")
    assert b"access-control-allow-origin" not in foreign.head
    assert b"access-control-allow-origin: " + ORIGIN.encode() in unreadable.head
    assert (packed.status, packed.code) == (415, "compressed")
    assert json.loads(unmapped.said)["dropped"] == {"unmapped": 1}


@pytest.mark.parametrize("moment", ["refused", "told_later"])
async def test_what_the_store_refuses_is_refused_to_its_caller_alone(
    door: Door, moment: str
) -> None:
    busy = StoreBusy("store_full", "The disk has no room.", retry_after_s=7)

    def fault(body: bytes) -> Exception | None:
        return busy if b"bad-1" in body else None

    setattr(Failing, moment, staticmethod(fault))
    posts = [Answered(batch(name)) for name in ("good-1", "bad-1", "good-2")]
    await door.take(*posts)
    assert [post.status for post in posts] == [202, 503, 202]
    assert b"retry-after: 7\r\n" in posts[1].head
    assert b"set-cookie" not in posts[1].head


async def test_a_fault_of_ours_is_logged_and_costs_one_answer(door: Door) -> None:
    Failing.refused = staticmethod(lambda body: ZeroDivisionError() if b"bad-1" in body else None)
    posts = [Answered(batch(name)) for name in ("good-1", "bad-1", "good-2")]
    await door.take(*posts)
    assert [post.status for post in posts] == [202, 500, 202]
    assert posts[1].code == "internal"
    assert [fields["path"] for fields in door.log.named("request_failed")] == ["/e"]


async def test_a_withdrawal_cancels_what_waits_before_it_is_answered(door: Door) -> None:
    await door.take(Answered(batch("before"), cookie="_scid=visitor-0001"))
    no = Answered(batch("no", consent={"ad": False}), cookie="_scid=visitor-0001")
    other = Answered(batch("other"), cookie="_scid=visitor-0002")
    await door.take(no, other)
    assert (no.status, other.status) == (202, 202)
    assert b"edge_optout=1" in no.head
    lease = await door.state.store.claim("snap", limit=9, max_bytes=1 << 20, lease_s=60)
    assert [msgspec.json.decode(row.body)["id"] for row in lease.rows] == ["other"]


async def test_a_withdrawal_that_cannot_be_kept_is_not_acknowledged(door: Door) -> None:
    await door.state.store.close()
    no = Answered(batch("no", consent={"ad": False}), cookie="_scid=visitor-0001")
    await door.take(no)
    assert (no.status, no.code) == (503, "store_closed")
    assert b"edge_optout" not in no.head
