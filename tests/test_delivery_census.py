"""Rows whose integration is gone, and integrations with too many dead letters."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from edgeproxy.delivery.gate import FULL
from edgeproxy.store.base import Dead, Gate
from tests.fakes import event, eventually, integration, item, ledger, put
from tests.office import SCALED, Office, open_office

GONE = "gone/pixel"
SOON = replace(SCALED, census_s=0.01, removed_s=0.05)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(tmp_path) as made:
        yield made


async def leave_behind(office: Office, count: int = 3) -> None:
    """Rows of an integration that is not configured."""
    await put(
        office.store, *(item(event(n, time_ms=office.clock()), to=GONE) for n in range(count))
    )


async def counted(office: Office) -> None:
    """Wait until the census has noticed the missing integration."""
    await eventually(lambda: office.log.named("integration_missing"), "the census has looked")


async def test_rows_of_a_missing_integration_wait_a_day_and_become_dead_letters(
    office: Office,
) -> None:
    await leave_behind(office, 1200)
    async with office.delivering(schedule=SOON):

        async def buried() -> bool:
            return await ledger(office.store, GONE) == {"accepted": 1200, "dead": 1200}

        await eventually(buried, "they are dead letters")
    assert {one.reason for one in await office.store.dead_letters()} == {"integration_removed"}
    assert [one["events"] for one in office.log.named("integration_missing")] == [1200]
    assert sum(one["events"] for one in office.log.named("integration_removed")) == 1200  # type: ignore[misc]
    assert office.snap.attempts == 0


async def test_a_typing_error_in_the_configuration_costs_nothing(office: Office) -> None:
    """Missing for less than a day: nothing happens, and all is delivered when it is back."""
    await leave_behind(office)
    async with office.delivering(schedule=replace(SOON, removed_s=86_400.0)):
        await counted(office)
        await office.put(range(10, 12))
        await office.settled(accepted=2, delivered=2)
        assert await ledger(office.store, GONE) == {"accepted": 3, "pending": 3}
        office.integrations = [*office.integrations, integration(id=GONE)]

        async def delivered() -> bool:
            return await ledger(office.store, GONE) == {"accepted": 3, "delivered": 3}

        await eventually(delivered, "it is delivered")


async def test_old_rows_wait_a_day_from_the_start_of_the_process(office: Office) -> None:
    """Whoever starts with a wrong file after a long stop has a day to notice."""
    await leave_behind(office)
    office.clock.pass_s(3600)
    looks: list[str] = []

    class Looked:
        def __getattr__(self, name: str) -> object:
            looks.append(name)
            return getattr(office.store, name)

    async with office.delivering(schedule=replace(SOON, removed_s=600.0), store=Looked()):
        await eventually(lambda: looks.count("stats") > 5, "the census has looked")
    assert await ledger(office.store, GONE) == {"accepted": 3, "pending": 3}


async def test_what_another_machine_delivers_is_not_buried(office: Office) -> None:
    """Missing here for long, but its rows are young: another one takes them."""
    await leave_behind(office)
    looks: list[int] = []

    class Young:
        def __getattr__(self, name: str) -> object:
            return getattr(office.store, name)

        async def stats(self) -> object:
            looks.append(1)
            return [replace(one, oldest_s=0.0) for one in await office.store.stats()]

    async with office.delivering(schedule=replace(SOON, removed_s=0.001), store=Young()):
        await eventually(lambda: len(looks) > 5, "the census has looked")
    assert await ledger(office.store, GONE) == {"accepted": 3, "pending": 3}


async def test_a_missing_integration_whose_token_was_wrong_is_given_up_too(office: Office) -> None:
    await leave_behind(office)
    closed = Gate(integration=GONE, state="paused_auth", probe_in_s=900, backoff_s=900)
    await office.store.set_gate(closed)
    async with office.delivering(schedule=SOON):

        async def buried() -> bool:
            return await ledger(office.store, GONE) == {"accepted": 3, "dead": 3}

        await eventually(buried, "they are dead letters")


async def test_what_a_person_paused_and_removed_stays_where_it_is(office: Office) -> None:
    await leave_behind(office)
    await office.store.set_gate(Gate(integration=GONE, state="paused_manual"))
    looks: list[str] = []

    class Looked:
        def __getattr__(self, name: str) -> object:
            looks.append(name)
            return getattr(office.store, name)

    async with office.delivering(schedule=replace(SOON, removed_s=0.001), store=Looked()):
        await eventually(lambda: looks.count("stats") > 5, "the census has looked")
    assert await ledger(office.store, GONE) == {"accepted": 3, "pending": 3}


async def test_an_integration_that_is_switched_off_is_not_missing(office: Office) -> None:
    await leave_behind(office)
    await put(office.store, item(event(9), to="other/pixel"), item(event(9), to="done/pixel"))
    lease = await office.store.claim("done/pixel", limit=9, max_bytes=10**6, lease_s=60)
    await office.store.settle(lease, delivered=[row.id for row in lease.rows])
    office.integrations.append(integration(id=GONE, enabled=False))
    async with office.delivering(schedule=SOON):
        await eventually(lambda: office.log.named("integration_removed"), "others are buried")
    told = [one["integration"] for one in office.log.named("integration_missing")]
    assert told == ["other/pixel"]
    assert await ledger(office.store, GONE) == {"accepted": 3, "pending": 3}


async def bury(office: Office, count: int) -> None:
    """Dead letters of the integration."""
    await office.put(range(100, 100 + count))
    lease = await office.store.claim("shop/pixel", limit=count, max_bytes=10**6, lease_s=60)
    dead = [Dead(id=row.id, reason="rejected") for row in lease.rows]
    await office.store.settle(lease, dead=dead)


async def test_too_many_dead_letters_pause_and_fewer_resume(office: Office) -> None:
    """Nothing is dropped to make room: no more is sent that could die."""
    await bury(office, 3)
    async with office.delivering(schedule=replace(SOON, paused_s=0.05), dead_max=3):
        gate = await office.gate_is("paused_reject")
        assert gate.reason == FULL
        await office.put(range(2))
        await eventually(lambda: office.snap.events, "a probe does well")
        await office.gate_is("paused_reject")
        letters = await office.store.dead_letters()
        await office.store.discard([letters[0].id])
        await office.settled(accepted=5, delivered=2, dead=3)
        await office.gate_is("open")
