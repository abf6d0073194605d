"""A lease handed to the courier: its end in sight, and faults of our own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edgeproxy.wire import WireResponse
from tests.desk import Desk
from tests.fakes import YES, Clock, event, eventually, item, open_store, put


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = Clock()
    async with open_store(tmp_path, clock) as store:
        yield Desk(store, clock)


async def test_a_request_in_flight_gets_its_grace_and_no_more(desk: Desk) -> None:
    async def hangs(_: list[str]) -> WireResponse:
        await asyncio.Event().wait()
        raise AssertionError("nobody answers")

    await put(desk.store, *(item(event(n)) for n in range(3)))
    desk.transport.play = hangs
    courier = desk.new_courier()
    lease = await desk.claim()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(courier.deliver(lease, desk.integration, desk.line))
        await eventually(lambda: desk.transport.sent, "the request is out")
        desk.stopping.set()
        courier.hurry(0.05)
    assert await desk.ledger() == {"accepted": 3, "pending": 3}
    assert [row.attempt for row in (await desk.claim()).rows] == [1, 1, 1]


async def test_a_request_that_ends_within_the_grace_is_booked(desk: Desk) -> None:
    answer = asyncio.Event()

    async def late(_: list[str]) -> WireResponse:
        await answer.wait()
        return YES

    await put(desk.store, item(event(1)))
    desk.transport.play = late
    courier = desk.new_courier()
    lease = await desk.claim()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(courier.deliver(lease, desk.integration, desk.line))
        await eventually(lambda: desk.transport.sent, "the request is out")
        desk.stopping.set()
        courier.hurry(5.0)
        answer.set()
    assert await desk.ledger() == {"accepted": 1, "delivered": 1}


@pytest.mark.parametrize("fault", [RuntimeError("a bug"), TimeoutError()])
async def test_a_fault_of_our_own_puts_the_rows_back_and_is_not_swallowed(
    desk: Desk, fault: Exception
) -> None:
    def broken(_: list[str]) -> WireResponse:
        raise fault

    await put(desk.store, *(item(event(n)) for n in range(3)))
    with pytest.raises(type(fault)):
        await desk.deliver(broken)
    assert await desk.ledger() == {"accepted": 3, "pending": 3}
    desk.clock.pass_s(31)
    assert [row.attempt for row in (await desk.claim()).rows] == [2, 2, 2]
