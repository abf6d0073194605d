"""People are found by what they gave, in every source, and are gone from everywhere afterwards."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from edgeproxy import erasure
from edgeproxy.erasure import Asked, Known
from edgeproxy.errors import Refused, StoreBusy, Unfit
from edgeproxy.event import Person
from edgeproxy.intake.segment import server_name
from edgeproxy.journal import open_journal
from edgeproxy.journal.base import Filter, Journal
from edgeproxy.keys import visitor_name
from edgeproxy.pii import email_sha256, external_id_sha256, phone_sha256
from edgeproxy.sites import Source
from edgeproxy.store.base import Binding, Item, Store
from edgeproxy.trace import Step
from tests import canary
from tests.fakes import START_MS, Clock, event, item, open_store
from tests.graveyard import SCID, SITE, visit

KEY = b"k" * 32
WHO = Person(
    email_sha256=email_sha256(canary.EMAIL),
    phone_sha256=phone_sha256(canary.PHONE, ""),
    external_id_sha256=external_id_sha256("u-1"),
)
SITES = (SITE, Source(id="blog", default_country="DE"))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path, Clock()) as made:
        yield made


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    made = open_journal(f"sqlite://{tmp_path}/store.db", now_ms=Clock())
    yield made
    await made.close()


async def found(store: Store, asked: Asked) -> list[bytes]:
    """The visitors of whom something is held."""
    known = await erasure.find(store, KEY, SITES, asked)
    held = await erasure.held(store, None, known)
    return [bytes.fromhex(one.visitor) for one in held if one.something]


@pytest.mark.parametrize(
    "asked",
    [
        Asked(scid=SCID),
        Asked(email=canary.EMAIL),
        Asked(email=f" {canary.EMAIL.upper()} "),
        Asked(email=WHO.email_sha256),
        Asked(phone=canary.PHONE),
        Asked(phone="(415) 555-0142"),
        Asked(phone="415-555-0142", country="US"),
        Asked(external_id="u-1"),
    ],
    ids=["scid", "email", "EMAIL", "digest", "phone", "national", "country", "own-id"],
)
async def test_a_person_is_found_by_anything_they_gave(store: Store, asked: Asked) -> None:
    mine = await visit(store, KEY, event("a", who=WHO, scid=SCID))
    await visit(store, KEY, event("b", who=Person(), scid="another-browser"))
    assert await found(store, asked) == [mine]


async def test_every_browser_of_a_person_is_found_in_every_source(store: Store) -> None:
    mine = [
        await visit(store, KEY, event("a", who=WHO, scid=SCID)),
        await visit(store, KEY, event("b", who=WHO, scid="another-browser"), dead=True),
        await visit(store, KEY, event("c", who=WHO, scid=SCID, source="blog")),
    ]
    assert sorted(await found(store, Asked(email=canary.EMAIL))) == sorted(mine)
    assert sorted(await found(store, Asked(scid=SCID))) == sorted([mine[0], mine[2]])


async def test_a_source_that_was_removed_is_searched_too(store: Store) -> None:
    mine = await visit(store, KEY, event("a", who=WHO, scid=SCID, source="removed"))
    assert await found(store, Asked(scid=SCID)) == [mine]


async def test_visitors_that_a_server_named_are_found_by_its_names(store: Store) -> None:
    names = [server_name("anonymous", "guest 7"), server_name("user", "u-9")]
    for name in names:
        visitor = visitor_name(KEY, "shop", name)
        await store.append([Item((), Binding(visitor=visitor, traits=b'{"city_sha256":"x"}'))])
    assert await found(store, Asked(scid="guest 7")) == [visitor_name(KEY, "shop", names[0])]
    assert await found(store, Asked(external_id="u-9")) == [visitor_name(KEY, "shop", names[1])]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (Asked(), ""),
        (Asked(scid="  "), ""),
        (Asked(scid=SCID, email=canary.EMAIL), ""),
        (Asked(email="no address"), "email"),
        (Asked(phone="12"), "phone"),
        (Asked(external_id="undefined"), "external_id"),
    ],
)
async def test_what_is_no_such_thing_is_refused_and_not_repeated(
    store: Store, asked: Asked, field: str
) -> None:
    with pytest.raises(Unfit) as refused:
        await erasure.find(store, KEY, SITES, asked)
    assert refused.value.faults[0][0] == field
    assert canary.EMAIL not in str(refused.value)


def test_what_is_asked_for_shows_nothing_of_itself() -> None:
    assert canary.EMAIL not in repr(Asked(email=canary.EMAIL))


async def test_what_is_held_is_told_by_counts_and_dates(store: Store, journal: Journal) -> None:
    mine = await visit(store, KEY, event("dead", who=WHO, scid=SCID), dead=True)
    await visit(store, KEY, event("new", who=WHO, scid=SCID, name="PURCHASE"))
    await journal.write([step(mine, "new")], {}, START_MS)

    (held,) = await erasure.held(store, journal, [Known(visitor=mine)])
    assert (held.visitor, held.source) == (mine.hex(), "shop")
    assert held.identity["email_sha256"] == WHO.email_sha256
    assert (held.waiting_n, held.dead_n, held.traces, held.last_seen_ms) == (1, 1, 1, START_MS)
    assert (held.waiting[0].name, held.waiting[0].event_id) == ("PURCHASE", "enew")
    assert (held.dead[0].reason, held.dead[0].event) == ("rejected", None)
    (whole,) = await erasure.held(store, None, [Known(visitor=mine)], whole=True)
    assert b"enew" in bytes(whole.waiting[0].event or b"")
    assert whole.traces == 0


def step(visitor: bytes, name: str) -> Step:
    return Step(
        at_ms=START_MS,
        stage="queued",
        event_id=f"e{name}",
        name="PURCHASE",
        source="shop",
        integration="shop-1",
        visitor=visitor.hex(),
    )


def files(folder: Path) -> bytes:
    return b"".join(one.read_bytes() for one in folder.iterdir() if one.is_file())


async def erase(store: Store, journal: Journal | None, *known: Known) -> erasure.Receipt:
    return await erasure.erase(
        store, journal, known, id="r-1", by="jane", asked_by="email", at_ms=START_MS
    )


async def test_an_erasure_takes_everything_and_leaves_a_receipt(
    tmp_path: Path, store: Store, journal: Journal
) -> None:
    mine = await visit(store, KEY, event("dead", who=WHO, scid=SCID), dead=True)
    for n in range(3):
        await visit(store, KEY, event(n, who=WHO, scid=SCID))
    other = await visit(store, KEY, event("other", scid="another-browser"))
    await journal.write([step(mine, "0"), step(other, "other")], {}, START_MS)

    receipt = await erase(store, journal, Known(visitor=mine, source="shop"))
    (gone,) = receipt.visitors
    assert (gone.waiting, gone.dead, gone.identity, gone.traces) == (3, 1, True, 1)
    assert (receipt.complete, receipt.by, receipt.asked_by) == (True, "jane", "email")
    assert not await store.held(mine)
    assert (await store.held(other)).waiting_n == 1
    assert await journal.traces(Filter(visitor=mine.hex())) == []
    assert len(await journal.traces(Filter(visitor=other.hex()))) == 1
    assert all(one.balanced for one in await store.stats())

    assert await erasure.receipt(store.office, "r-1") == receipt
    assert await erasure.receipts(store.office) == [receipt]
    (line,) = await store.office.changes()
    assert (line.who, line.action, line.kind, line.id) == ("jane", "erase", "visitor", mine.hex())
    assert line.detail == "3 waiting events, 1 dead letter, identity, 1 trace; receipt r-1"

    await store.sweep()
    written = files(tmp_path)
    for secret in (SCID, WHO.email_sha256, WHO.phone_sha256, canary.EMAIL):
        assert secret.encode() not in written

    again = await visit(store, KEY, event("again", who=Person(), scid=SCID))
    assert (again, (await store.held(again)).traits) == (mine, b"")


async def test_nothing_held_is_on_record_too(store: Store) -> None:
    receipt = await erase(store, None, Known(visitor=b"v" * 16, source="shop"))
    assert (receipt.visitors, receipt.complete) == ([], True)
    (line,) = await store.office.changes()
    assert line.detail == "nothing was held; receipt r-1"
    nobody = await erasure.erase(store, None, [], id="r-2", by="x", asked_by="email", at_ms=9)
    assert [one.id for one in await erasure.receipts(store.office)] == ["r-1", "r-2"]
    assert replace(nobody, at_ms=0).visitors == []
    with pytest.raises(Refused, match="no such receipt"):
        await erasure.receipt(store.office, "r-3")


async def test_traces_that_cannot_be_erased_now_are_owned_up_to(
    store: Store, journal: Journal
) -> None:
    mine = [await visit(store, KEY, event(n, who=WHO, scid=f"browser-{n}")) for n in range(2)]
    await journal.close()
    with pytest.raises(StoreBusy):
        await journal.forget(mine[0])
    (held, _) = await erasure.held(store, journal, [Known(visitor=one) for one in mine])
    assert held.traces is None
    receipt = await erase(store, journal, *(Known(visitor=one) for one in mine))
    assert (receipt.complete, [one.source for one in receipt.visitors]) == (False, ["shop"] * 2)
    assert not await store.held(mine[0])
    lines = await store.office.changes()
    assert sorted(one.id for one in lines) == sorted(one.hex() for one in mine)
    assert all("traces could not be erased" in one.detail for one in lines)


async def test_a_row_that_cannot_be_read_is_held_and_erased_all_the_same(store: Store) -> None:
    await store.append([item(visitor=b"v" * 16, body=b"\xff{", to="shop-1")])
    (held,) = await erasure.held(store, None, [Known(visitor=b"v" * 16)], whole=True)
    assert (held.source, held.waiting[0].event_id, held.waiting[0].event) == ("", "", None)
    assert (await erase(store, None, Known(visitor=b"v" * 16))).visitors[0].waiting == 1
