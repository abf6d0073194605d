"""The privacy desk over HTTP: what is typed is nowhere, what is held is shown, erased is gone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edgeproxy.event import Person
from edgeproxy.journal import open_journal
from edgeproxy.pii import email_sha256
from tests import canary
from tests.admin_http import TOKEN, Visitor, admin
from tests.fakes import Clock, event
from tests.graveyard import SCID, SITE, visit

VISITORS = "/v1/admin/visitors"
WHO = Person(email_sha256=email_sha256(canary.EMAIL))


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[tuple[Visitor, bytes]]:
    """The listener with a journal, and a visitor of whom something is held."""
    journal = open_journal(f"sqlite://{folder}/store.db", now_ms=Clock())
    async with admin(folder, SITE, journal=journal) as visitor:
        key, store = visitor.state.keys.visitor, visitor.caller.store
        await visit(store, key, event("dead", who=WHO, scid=SCID), dead=True)
        name = await visit(store, key, event("waits", who=WHO, scid=SCID))
        try:
            yield visitor, name
        finally:
            await journal.close()


async def test_a_look_up_tells_what_is_held_and_not_what_was_typed(tmp_path: Path) -> None:
    async with desk(tmp_path) as (visitor, name):
        for asked in ({"email": canary.EMAIL}, {"scid": SCID}):
            answer = await visitor.ask("POST", f"{VISITORS}/lookup", bearer=TOKEN, json=asked)
            (one,) = answer.json()["visitors"]
            assert (one["visitor"], one["waiting_n"], one["dead_n"]) == (name.hex(), 1, 1)
            assert one["source"] == "shop"
            assert not canary.leaks_in(answer.content)
        nobody = {"email": "nobody@example.com"}
        answer = await visitor.ask("POST", f"{VISITORS}/lookup", bearer=TOKEN, json=nobody)
        assert answer.json()["visitors"] == []
        bad = await visitor.ask("POST", f"{VISITORS}/lookup", bearer=TOKEN, json={"email": "x y"})
        assert (bad.status_code, "x y" in bad.text) == (422, False)
        assert not canary.leaks_in(repr(visitor.caller.log.lines).encode())
    assert not canary.leaks_in(visitor.caller.written())


async def test_an_export_is_a_file_with_the_events_as_stored(tmp_path: Path) -> None:
    async with desk(tmp_path) as (visitor, name):
        answer = await visitor.get(f"{VISITORS}/export?visitor={name.hex()}")
        none = await visitor.get(f"{VISITORS}/export")
        bad = await visitor.get(f"{VISITORS}/export?visitor={canary.EMAIL}")
    (one,) = answer.json()["visitors"]
    assert one["waiting"][0]["event"]["who"] == {"email_sha256": WHO.email_sha256}
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert (none.status_code, bad.status_code) == (422, 422)


async def test_a_visitor_is_erased_by_their_scid_with_a_receipt(tmp_path: Path) -> None:
    async with desk(tmp_path) as (visitor, name):
        answer = await visitor.ask("DELETE", f"{VISITORS}/{SCID}", bearer=TOKEN)
        receipt = answer.json()
        assert answer.status_code == 200
        assert [one["visitor"] for one in receipt["visitors"]] == [name.hex()]
        assert (receipt["by"], receipt["asked_by"]) == ("admin token", "scid")
        assert not await visitor.caller.store.held(name)
        assert (await visitor.get(f"{VISITORS}/receipts")).json() == [receipt]
        assert (await visitor.get(f"{VISITORS}/receipts/{receipt['id']}")).json() == receipt
        assert (await visitor.get(f"{VISITORS}/receipts/x")).status_code == 404
        again = await visitor.ask("DELETE", f"{VISITORS}/{SCID}", bearer=TOKEN)
        assert (again.status_code, again.json()["visitors"]) == (200, [])
        (_, line) = await visitor.caller.store.office.changes()
        assert (line.kind, line.id) == ("visitor", name.hex())
        assert SCID not in line.detail


@pytest.mark.parametrize("by", ["person", "visitors"])
async def test_a_person_or_a_name_can_be_erased(tmp_path: Path, by: str) -> None:
    async with desk(tmp_path) as (visitor, name):
        wish = {"person": {"email": canary.EMAIL}} if by == "person" else {"visitors": [name.hex()]}
        answer = await visitor.ask("POST", f"{VISITORS}/erase", bearer=TOKEN, json=wish)
        assert answer.json()["visitors"][0]["dead"] == 1
        for bad in ({}, {"person": {"scid": SCID}, "visitors": [name.hex()]}, {"visitors": ["x"]}):
            refused = await visitor.ask("POST", f"{VISITORS}/erase", bearer=TOKEN, json=bad)
            assert refused.status_code == 422


async def test_traces_left_are_an_error_that_can_be_repeated(tmp_path: Path) -> None:
    async with desk(tmp_path) as (visitor, name):
        await visitor.state.journal.close()
        answer = await visitor.ask("DELETE", f"{VISITORS}/{SCID}", bearer=TOKEN)
        assert (answer.status_code, answer.json()["code"]) == (503, "traces_left")
        assert not await visitor.caller.store.held(name)


@pytest.mark.parametrize("scid", ["%20", "x" * 513])
async def test_a_scid_that_is_none_is_refused(tmp_path: Path, scid: str) -> None:
    async with admin(tmp_path, SITE) as visitor:
        answer = await visitor.ask("DELETE", f"{VISITORS}/{scid}", bearer=TOKEN)
        assert answer.status_code in (404, 422)
