"""Rows under a lease: kept while work goes on, booked once, left alone when they are not ours."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edgeproxy.errors import StoreBusy
from edgeproxy.store.base import Lease, Store
from edgeproxy.wire import WireResponse
from tests.desk import QUICK, Desk, Slow, refusing
from tests.fakes import YES, Clock, event, item, open_store, put


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = Clock()
    async with open_store(tmp_path, clock) as store:
        yield Desk(store, clock)


async def test_a_long_lease_is_extended_while_work_goes_on(desk: Desk) -> None:
    store = Slow(desk.store)
    store.renewals = [4] * 5
    desk.schedule = replace(QUICK, renew_s=0.0, lease_s=77.0)
    await put(desk.store, *(item(event(n)) for n in range(4)))
    await desk.deliver(refusing("e0"), store=store)
    assert store.renewals == []
    assert store.renewed_s == [77.0] * 5
    assert await desk.ledger() == {"accepted": 4, "delivered": 3, "dead": 1}


async def test_a_lease_that_was_lost_is_left_alone(desk: Desk) -> None:
    """A process that was only stopped must not undo what another one has done since."""
    store = Slow(desk.store)
    store.renewals = [4, 0]
    desk.schedule = replace(QUICK, renew_s=0.0)
    await put(desk.store, *(item(event(n)) for n in range(4)))
    await desk.deliver(refusing("e0"), store=store)
    assert len(desk.transport.sent) == 1
    assert [line["events"] for line in desk.log.named("lease_lost")] == [4]
    assert await desk.ledger() == {"accepted": 4, "pending": 4, "leased": 4}


async def test_a_fresh_lease_is_not_extended(desk: Desk) -> None:
    store = Slow(desk.store)
    await put(desk.store, item(event(1)))
    await desk.deliver(store=store)
    assert store.renewed_s == []


async def test_a_busy_store_gets_time_to_book_what_snap_has(desk: Desk) -> None:
    store = Slow(desk.store)
    store.busy = 2
    await put(desk.store, item(event(1)))
    await desk.deliver(store=store)
    assert len(desk.transport.sent) == 1
    assert await desk.ledger() == {"accepted": 1, "delivered": 1}


async def test_a_store_that_stays_busy_is_a_fault_and_the_rows_stay_held(desk: Desk) -> None:
    store = Slow(desk.store)
    store.busy = 99
    await put(desk.store, item(event(1)))
    with pytest.raises(StoreBusy):
        await desk.deliver(store=store)
    assert await desk.ledger() == {"accepted": 1, "pending": 1, "leased": 1}


async def test_a_busy_store_does_not_keep_us_from_ending(desk: Desk) -> None:
    async def snap(_: list[str]) -> WireResponse:
        desk.stopping.set()
        return YES

    store = Slow(desk.store)
    store.busy = 99
    desk.schedule = replace(QUICK, booking_s=(0.001,) * 99, last_s=0.0)
    await put(desk.store, item(event(1)))
    with pytest.raises(StoreBusy):
        await desk.deliver(snap, store=store)
    assert store.busy == 97  # once to book it, once to put it back
    assert await desk.ledger() == {"accepted": 1, "pending": 1, "leased": 1}


async def test_rows_of_a_visitor_erased_meanwhile_are_not_booked(desk: Desk) -> None:
    async def snap(_: list[str]) -> WireResponse:
        assert await desk.store.recall(b"v" * 16) == 2
        return YES

    await put(desk.store, item(event(1)), item(event(2)))
    await desk.deliver(snap)
    assert desk.log.named("rows_gone") == [{"integration": "shop/pixel", "events": 2}]
    assert await desk.ledger() == {"accepted": 2}


OTHER = b"o" * 16


class Withdrawing(Slow):
    """A store in which a visitor withdraws while the limiter lets somebody wait."""

    def __init__(self, store: Store, *visitors: bytes) -> None:
        super().__init__(store)
        self.visitors = visitors
        self.looks = 0

    async def acquire(self, integration_id: str, **limits: Any) -> float:
        for visitor in self.visitors:
            await self._store.recall(visitor)
        return await super().acquire(integration_id, **limits)

    async def carried(self, lease: Lease) -> Sequence[int]:
        self.looks += 1
        return await self._store.carried(lease)


async def test_what_is_withdrawn_while_a_batch_waits_is_not_sent(desk: Desk) -> None:
    desk.schedule = replace(QUICK, look_s=0.0)
    await put(desk.store, item(event(1)), item(event(2), visitor=OTHER), item(event(3)))
    await desk.deliver(store=Withdrawing(desk.store, OTHER))
    assert desk.transport.sent == [["e1", "e3"]]
    assert desk.log.named("rows_gone") == [{"integration": "shop/pixel", "events": 1}]
    assert await desk.ledger() == {"accepted": 3, "delivered": 2}


async def test_nothing_is_sent_when_all_of_a_batch_is_withdrawn(desk: Desk) -> None:
    desk.schedule = replace(QUICK, look_s=0.0)
    await put(desk.store, item(event(1)), item(event(2), visitor=OTHER))
    await desk.deliver(store=Withdrawing(desk.store, OTHER, b"v" * 16))
    assert desk.transport.sent == []
    assert await desk.ledger() == {"accepted": 2}


async def test_what_is_withdrawn_after_a_failure_is_not_sent_again(desk: Desk) -> None:
    async def snap(ids: list[str]) -> WireResponse:
        if len(ids) == 2:
            await desk.store.recall(OTHER)
            return WireResponse(status=503)
        return YES

    desk.schedule = replace(QUICK, look_s=0.0)
    await put(desk.store, item(event(1)), item(event(2), visitor=OTHER))
    await desk.deliver(snap)
    assert desk.transport.sent == [["e1", "e2"], ["e1"]]
    assert await desk.ledger() == {"accepted": 2, "delivered": 1}


async def test_what_is_sent_at_once_is_not_asked_about(desk: Desk) -> None:
    store = Withdrawing(desk.store)
    desk.schedule = replace(QUICK, look_s=600.0)
    await put(desk.store, *(item(event(n)) for n in range(4)))
    await desk.deliver(refusing("e0"), store=store)
    assert len(desk.transport.sent) == 5
    assert store.looks == 0
