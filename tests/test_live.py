"""The registry follows what people make, and goes on with what it has when the store is busy."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from edgeproxy.errors import StoreBusy
from edgeproxy.live import LATE_LOOKS, LOOK_S, Live
from edgeproxy.registry import Registry
from edgeproxy.roster.records import KeptSource
from edgeproxy.seal import Sealer
from edgeproxy.sites import Source
from edgeproxy.store.office import Office, Record
from tests.fakes import Clock, KeptLog, eventually, open_store

SEALER = Sealer([base64.urlsafe_b64encode(os.urandom(32))])
FILE = Source(id="file", origins=("https://file.example",))


def body(*origins: str) -> bytes:
    return msgspec.json.encode(KeptSource(document={"origins": list(origins)}))


class Moody:
    """An office that is busy, or worse, for so many questions."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self.errors: list[Exception] = []
        self.questions = 0

    async def edition(self) -> int:
        self.questions += 1
        if self.errors:
            raise self.errors.pop(0)
        return await self._office.edition()

    def __getattr__(self, name: str) -> object:
        return getattr(self._office, name)


class Place:
    """A store and one process that follows it."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.moody = Moody(office)
        self.log = KeptLog()
        self.changes: list[int] = []
        self.registry = Registry([FILE])
        self.live = Live(
            self.moody,  # type: ignore[arg-type]
            self.registry,
            [FILE],
            sealer=SEALER,
            log=self.log,
            changed=lambda: self.changes.append(len(self.registry.sources)),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        stopping = asyncio.Event()
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(self.live.run(stopping))
            try:
                yield
            finally:
                stopping.set()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with open_store(tmp_path, Clock()) as store:
        yield Place(store.office)


async def test_what_is_there_at_the_start_is_known_before_anybody_is_served(place: Place) -> None:
    await place.office.put("source", "shop", body("https://shop.example"))
    await place.live.begin()
    assert set(place.registry.sources) == {"file", "shop"}
    site = place.registry.by_origin(b"https://shop.example")
    assert site is not None
    assert site.source.id == "shop"
    assert place.registry.source_origin_of("shop") == "api"
    assert place.registry.source_origin_of("file") == "file"
    assert place.log.lines == []


async def test_a_change_reaches_a_process_that_did_not_make_it(place: Place) -> None:
    await place.live.begin()
    async with place.running():
        await place.office.put("source", "shop", body("https://shop.example"))
        await eventually(lambda: "shop" in place.registry.sources, "it is there")
        await place.office.put("source", "shop", None)
        await eventually(lambda: "shop" not in place.registry.sources, "it is gone")
    assert place.registry.by_origin(b"https://shop.example") is None
    assert place.registry.by_origin(b"https://file.example") is not None
    assert place.changes == [1, 2, 1]
    assert [line["sources"] for line in place.log.named("sites_changed")] == [2, 1]


async def test_nothing_is_read_again_while_nothing_changes(place: Place) -> None:
    await place.live.begin()
    await place.office.put("token", "a", b"x")
    await place.live.refresh()
    await place.live.refresh()
    assert place.changes == [1]


async def test_a_busy_store_changes_nothing(place: Place) -> None:
    await place.office.put("source", "shop", body())
    await place.live.begin()
    place.moody.errors = [StoreBusy("busy", "later")] * 2
    with pytest.raises(StoreBusy):
        await place.live.refresh()
    async with place.running():
        await eventually(lambda: place.moody.questions > 4, "it goes on asking")
    assert set(place.registry.sources) == {"file", "shop"}
    assert place.log.lines == []


async def test_a_fault_is_logged_once_and_the_loop_goes_on(place: Place) -> None:
    place.moody.errors = [OSError("x"), OSError("x")]
    async with place.running():
        await eventually(lambda: place.changes, "the records are read")
    assert len(place.log.named("sites_not_read")) == 1


async def test_a_start_waits_for_a_busy_store_but_not_for_ever(place: Place) -> None:
    place.moody.errors = [StoreBusy("busy", "later")]
    await place.live.begin()
    assert place.changes == [1]
    place.moody.errors = [StoreBusy("busy", "later")] * 9
    with pytest.raises(StoreBusy):
        await place.live.begin(patience_s=0)


async def test_a_bad_record_is_told_once_and_harms_no_start(place: Place) -> None:
    await place.office.put("source", "bad", b"{")
    await place.live.begin()
    await place.office.put("source", "good", body())
    await place.live.refresh()
    assert set(place.registry.sources) == {"file", "good"}
    [line] = place.log.named("site_faulty")
    assert (line["kind"], line["id"]) == ("source", "bad")
    assert [one.id for one in place.live.faulty] == ["bad"]


def test_a_candidate_comes_after_all_others(tmp_path: Path) -> None:
    live = Live(None, Registry([]), [], sealer=SEALER, log=KeptLog())  # type: ignore[arg-type]
    old = Record(kind="source", id="a", body=body("https://a.example"), version=1, changed_ms=9)
    new = Record(kind="source", id="b", body=body("https://a.example"), version=1, changed_ms=1)
    assert live.tried([old], [], new).fault("source", "b") is not None
    assert live.tried([old, new], []).fault("source", "b") is None
    assert live.tried([old], [], msgspec.structs.replace(old, body=body())).faulty == ()


async def test_a_start_without_any_source_says_what_to_do(tmp_path: Path) -> None:
    async with open_store(tmp_path, Clock()) as store:
        log = KeptLog()
        await Live(store.office, Registry([]), [], sealer=SEALER, log=log).begin()
    [line] = log.named("no_sources")
    assert "POST /v1/admin/sources" in str(line["advice"])


async def test_what_was_read_first_is_not_put_in_last(place: Place) -> None:
    """The poll and a change by the API at the same moment: the older reading must not win."""
    slow = Slow(place.office)
    place.live = Live(
        slow,  # type: ignore[arg-type]
        place.registry,
        [FILE],
        sealer=SEALER,
        log=place.log,
    )
    await place.office.put("source", "old", body())
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(place.live.refresh())
        await slow.read.wait()
        await place.office.put("source", "new", body())
        tasks.create_task(place.live.refresh())
        for _ in range(20):  # as far as it gets
            await place.office.edition()
        slow.go.set()
    assert set(place.registry.sources) == {"file", "old", "new"}


class Slow:
    """An office whose first list of sources is under way until it is told to go."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self.read, self.go = asyncio.Event(), asyncio.Event()

    async def records(self, kind: str) -> object:
        found = await self._office.records(kind)
        if not self.read.is_set():
            self.read.set()
            await self.go.wait()
        return found

    def __getattr__(self, name: str) -> object:
        return getattr(self._office, name)


def test_two_looks_fit_into_the_two_seconds_that_are_promised() -> None:
    """One may meet a busy store."""
    assert 2 * LOOK_S <= 1


@pytest.mark.parametrize(("busy", "told"), [(LATE_LOOKS - 1, 0), (LATE_LOOKS + 2, 1)])
async def test_a_store_that_stays_busy_is_told_once(place: Place, busy: int, told: int) -> None:
    """Without a line nobody would know why a change does not take effect on one node."""
    await place.live.begin()
    place.moody.errors = [StoreBusy("unreachable", "later")] * busy
    async with place.running():
        await place.office.put("source", "shop", body())
        await eventually(lambda: "shop" in place.registry.sources, "it is there in the end")
    assert [line["code"] for line in place.log.named("sites_late")] == ["unreachable"] * told
