"""The loops, with the real store, the real client and our own Snap over real sockets."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edgeproxy.delivery.backoff import Schedule
from edgeproxy.delivery.worker import Wake
from edgeproxy.sites import Integration, Secret
from edgeproxy.snap.transport import SnapTransport
from edgeproxy.store.base import Gate, Lease, Store
from edgeproxy.wire import WireResponse
from tests.fakes import (
    YES,
    FakeTransport,
    event,
    eventually,
    integration,
    item,
    ledger,
    put,
)
from tests.office import SCALED, Office, ids, open_office


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(tmp_path) as made:
        yield made


# The way things should be.


async def test_what_is_appended_arrives_and_is_settled(office: Office) -> None:
    async with office.delivering():
        await office.put(range(3))
        await office.settled(accepted=3, delivered=3)
    assert office.arrived() == ids(range(3))
    assert office.log.named("delivery_fault") == []


async def test_what_was_there_before_arrives_too(office: Office) -> None:
    await office.put(range(3))
    async with office.delivering():
        await office.settled(accepted=3, delivered=3)


async def test_rows_held_by_an_earlier_life_are_taken_back_at_the_start(office: Office) -> None:
    await office.put(range(3))
    lease = await office.store.claim("shop/pixel", limit=9, max_bytes=10**6, lease_s=600)
    assert len(lease.rows) == 3
    async with office.delivering():
        await office.settled(accepted=3, delivered=3)
    assert office.log.named("leases_recovered") == [{"events": 3}]


async def test_beside_other_processes_their_rows_are_left_alone(office: Office) -> None:
    await office.put([1])
    await office.store.claim("shop/pixel", limit=9, max_bytes=10**6, lease_s=600)
    await office.put([2])
    async with office.delivering(alone=False):
        await office.settled(accepted=2, delivered=1, pending=1, leased=1)
    assert office.arrived() == ids([2])


async def test_a_backlog_is_drained_by_two_hands_each_event_once(office: Office) -> None:
    office.integrations = [integration(batch_max=20, linger_ms=1)]
    await office.put(range(400))
    async with office.delivering():
        await office.settled(accepted=400, delivered=400)
    assert office.arrived() == ids(range(400))
    assert office.snap.counts.requests == 20


async def test_several_integrations_have_lines_of_their_own(office: Office) -> None:
    """One that Snap refuses does not hold up another."""
    office.snap.tokens = frozenset({"good"})
    bad = integration(id="shop/bad", access_token=Secret("bad"))
    good = integration(id="shop/good", access_token=Secret("good"))
    office.integrations = [bad]
    await office.put([1, 2])
    office.integrations = [good]
    await office.put([3, 4])
    office.integrations = [bad, good]
    async with office.delivering():

        async def look() -> bool:
            return await ledger(office.store, good.id) == {"accepted": 2, "delivered": 2}

        await eventually(look, "the good integration delivers")
        await office.gate_is("paused_auth")
    assert await ledger(office.store, bad.id) == {"accepted": 2, "pending": 2}


async def test_events_that_follow_the_first_gather_into_a_batch(office: Office) -> None:
    """The first goes at once; those that come while it lingers go together."""
    office.integrations = [integration(linger_ms=2_000)]  # five commits fit in
    async with office.delivering():
        await office.put([0])
        await eventually(lambda: office.snap.counts.requests == 1, "the first is sent")
        for n in range(1, 6):
            await office.put([n])
        await office.settled(accepted=6, delivered=6)
    assert office.snap.counts.requests == 2


class Counting:
    """Counts the calls that reach a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self._store, name)


async def test_an_idle_loop_leaves_the_store_alone(office: Office) -> None:
    counting = Counting(office.store)
    async with office.delivering(store=counting):
        await office.put([1])
        await office.settled(accepted=1, delivered=1)
        await eventually(lambda: counting.calls["waiting"], "the loop goes to sleep")
        before = counting.calls["claim"]
        await asyncio.wait([asyncio.ensure_future(office.stopping.wait())], timeout=0.5)
        assert counting.calls["claim"] == before


async def test_a_waker_in_another_process_is_not_needed(office: Office) -> None:
    async with office.delivering(poll_s=0.02):
        await eventually(lambda: office.wake.flag("shop/pixel"), "the loop is there")
        await put(office.store, item(event(1, time_ms=office.clock())))
        await office.settled(accepted=1, delivered=1)


# Changes while it runs.


async def test_a_new_token_is_used_in_the_middle_of_a_backlog(office: Office) -> None:
    old = integration(batch_max=5)
    office.integrations = [old]
    await office.put(range(100))

    def snap(_: list[str]) -> WireResponse:
        office.integrations = [replace(old, access_token=Secret("new"))]
        return YES

    transport = FakeTransport(snap)
    async with office.delivering(transport=transport):
        await office.settled(accepted=100, delivered=100)
    assert len(transport.tokens) == 20
    assert set(transport.tokens[3:]) == {"new"}


async def test_an_integration_that_appears_is_served(office: Office) -> None:
    made = office.integrations
    await office.put([1])
    office.integrations = []
    async with office.delivering():
        office.integrations = made
        await office.settled(accepted=1, delivered=1)


async def test_an_integration_switched_off_keeps_its_events_until_it_is_back(
    office: Office,
) -> None:
    on = office.integrations[0]
    off, other = replace(on, enabled=False), integration(id="shop/other", linger_ms=1)

    async def other_serves(n: int) -> None:
        await put(office.store, item(event(n, time_ms=office.clock()), to=other.id))
        office.wake.tell(other.id)

        async def look() -> bool:
            return not (await ledger(office.store, other.id)).get("pending")

        await eventually(look, "another integration is served")

    office.integrations = [off, other]
    async with office.delivering():
        await office.put([1])
        await other_serves(100)
        assert await ledger(office.store) == {"accepted": 1, "pending": 1}
        office.integrations = [on, other]
        await office.settled(accepted=1, delivered=1)
        office.integrations = [off, other]
        await other_serves(101)  # a claim that was under way at the change is over
        await office.put([2])
        for n in range(102, 120):
            await other_serves(n)
        assert await ledger(office.store) == {"accepted": 2, "delivered": 1, "pending": 1}
        office.integrations = [on, other]
        await office.settled(accepted=2, delivered=2)


# Snap's bad days.


async def test_a_burst_of_503_is_outlived_with_the_same_ids(office: Office) -> None:
    office.snap.answer_with(status=503, times=3)
    async with office.delivering():
        await office.put(range(5))
        await office.settled(accepted=5, delivered=5)
    assert office.arrived() == ids(range(5))
    assert office.snap.attempts == 4


async def test_a_long_outage_closes_the_gate_probes_one_by_one_and_drains(office: Office) -> None:
    office.snap.answer_with(status=503)
    office.integrations = [integration(batch_max=5, linger_ms=1)]

    def sizes() -> list[int]:
        return [asked.events for asked in office.snap.requests]

    async with office.delivering():
        await office.put(range(40))
        gate = await office.gate_is("probing")
        assert gate.reason == "HTTP 503"
        await eventually(lambda: sizes().count(1) >= 2, "probes are sent")
        assert set(sizes()[sizes().index(1) :]) == {1}
        office.snap.answer_normally()
        await office.settled(accepted=40, delivered=40)
        assert (await office.gate_is("open")).good == 0
    assert office.arrived() == ids(range(40))
    moved = [(line["before"], line["after"]) for line in office.log.named("gate_moved")]
    assert moved == [("open", "probing"), ("probing", "open")]


@pytest.mark.parametrize("batch_max", [1, 2])
async def test_after_an_outage_one_request_is_in_flight_until_one_does_well(
    office: Office, batch_max: int
) -> None:
    """Three probes open the gate; the backlog then begins with one hand, and goes on with two."""
    office.integrations = [integration(batch_max=batch_max, linger_ms=1)]
    down = Gate(integration="shop/pixel", state="probing", reason="HTTP 503", probe_in_s=0.0)
    await office.store.set_gate(down)
    in_flight: list[int] = []
    out = 0

    async def snap(_: list[str]) -> WireResponse:
        nonlocal out
        out += 1
        in_flight.append(out)
        if len(in_flight) > 3:
            await asyncio.sleep(0.1)  # long enough for a second hand to begin, if there is one
        out -= 1
        return YES

    async with office.delivering(transport=FakeTransport(snap)):
        await office.put(range(20))
        await office.settled(accepted=20, delivered=20)
    assert in_flight[:5] == [1, 1, 1, 1, 1]
    assert max(in_flight) == 2


async def test_a_snap_that_cannot_be_reached_costs_nothing(office: Office) -> None:
    nowhere = SnapTransport("http://127.0.0.1:1", office.outbound)
    async with office.delivering(transport=nowhere):
        await office.put(range(5))
        await office.gate_is("probing")
    assert await ledger(office.store) == {"accepted": 5, "pending": 5}
    async with office.delivering():
        await office.settled(accepted=5, delivered=5)
    assert office.arrived() == ids(range(5))


@pytest.mark.parametrize("where", ["before", "after_headers", "mid_body"])
async def test_a_broken_connection_is_outlived_and_counts_once(office: Office, where: str) -> None:
    """What was cut after Snap had taken it is sent again; Snap collapses it by its id."""
    office.snap.answer_with(disconnect=where, times=2)
    async with office.delivering():
        await office.put(range(3))
        await office.settled(accepted=3, delivered=3)
    assert office.arrived() == ids(range(3))
    assert office.snap.attempts == 3


async def test_a_wrong_token_pauses_and_a_new_one_resumes_with_nothing_lost(office: Office) -> None:
    office.snap.tokens = frozenset({"new"})
    old = office.integrations[0]
    async with office.delivering(schedule=replace(SCALED, paused_s=900.0)):
        await office.put(range(30))
        await office.gate_is("paused_auth")
        await office.put(range(30, 40))
        assert await ledger(office.store) == {"accepted": 40, "pending": 40}
        assert office.snap.attempts == 1
        office.integrations = [replace(old, access_token=Secret("new"))]
        await office.settled(accepted=40, delivered=40)
    assert office.arrived() == ids(range(40))


async def test_a_paused_integration_probes_and_resumes_when_snap_relents(office: Office) -> None:
    office.snap.answer_with(status=403)
    async with office.delivering():
        await office.put(range(30))
        await office.gate_is("paused_auth")
        await eventually(lambda: office.snap.attempts >= 3, "it is probed")
        assert await ledger(office.store) in (
            {"accepted": 30, "pending": 30},
            {"accepted": 30, "pending": 30, "leased": 1},
        )
        office.snap.answer_normally()
        await office.settled(accepted=30, delivered=30)
    assert office.arrived() == ids(range(30))


async def test_one_poison_of_twenty_dies_alone(office: Office) -> None:
    office.snap.answer_with(status=400, refuse_events=["e13"])
    await office.put(range(20))
    async with office.delivering():
        await office.settled(accepted=20, delivered=19, dead=1)
    assert office.arrived() == ids([n for n in range(20) if n != 13])
    assert office.snap.attempts <= 1 + 2 * 5
    letters = await office.store.dead_letters()
    assert [(one.reason, b'"e13"' in one.body) for one in letters] == [("rejected", True)]


async def test_a_429_is_obeyed_in_silence(office: Office) -> None:
    office.snap.answer_with(status=429, headers={"Retry-After": "2"}, times=1)
    async with office.delivering():
        await office.put(range(10))
        gate = await office.gate_is("probing")
        assert gate.probe_in_s is not None
        assert gate.probe_in_s > 1
        await office.put(range(10, 20))
        await office.settled(accepted=20, delivered=20)
    first, second = (asked.at for asked in office.snap.requests[:2])
    assert second - first >= 2000
    assert office.arrived() == ids(range(20))


async def test_the_wait_of_a_429_ends_even_when_nothing_is_queued(office: Office) -> None:
    office.snap.answer_with(status=429, headers={"Retry-After": "1"}, times=1)
    async with office.delivering():
        await office.put([1])
        await office.gate_is("probing")
        await office.store.recall(b"v" * 16)
        await office.gate_is("open")
    assert office.arrived() == {}


async def test_a_pause_by_hand_holds_everything_until_it_is_ended_by_hand(office: Office) -> None:
    manual = Gate(integration="shop/pixel", state="paused_manual", reason="by hand")
    await office.store.set_gate(manual)
    async with office.delivering():
        await office.put(range(3))
        await eventually(lambda: not office.wake.flag("shop/pixel").is_set(), "the loop looked")
        assert office.snap.attempts == 0
        await office.store.set_gate(Gate(integration="shop/pixel"))
        await office.settled(accepted=3, delivered=3)


async def test_events_that_grow_too_old_are_swept_to_the_dead(office: Office) -> None:
    old = item(event(1, time_ms=office.clock() - 1000), expires_ms=office.clock() - 1)
    await put(office.store, old)
    async with office.delivering():
        await office.settled(accepted=1, dead=1)
    assert office.snap.attempts == 0


# Faults of our own, and the end.


async def test_a_fault_is_told_once_and_the_loop_goes_on(office: Office) -> None:
    faults = iter([RuntimeError("canary")] * 2)

    def broken(_: list[str]) -> WireResponse:
        fault = next(faults, None)
        if fault is not None:
            raise fault
        return YES

    async with office.delivering(transport=FakeTransport(broken)):
        await office.put([1])
        await office.settled(accepted=1, delivered=1)
    told = office.log.named("delivery_fault")
    assert [line["loop"] for line in told] == ["shop/pixel"]
    assert isinstance(told[0]["exc_info"], RuntimeError)


async def test_a_fault_in_one_hand_does_not_break_off_the_other(office: Office) -> None:
    """Its request may be at Snap already."""
    office.integrations = [integration(batch_max=10)]
    await office.put(range(20))
    answer = asyncio.Event()
    calls: list[list[str]] = []

    async def snap(names: list[str]) -> WireResponse:
        calls.append(names)
        if len(calls) == 2:
            raise RuntimeError("a bug")
        if len(calls) == 1:
            await answer.wait()
        return YES

    async with office.delivering(transport=FakeTransport(snap)):
        await eventually(lambda: len(calls) >= 2, "both hands are busy")
        await office.settled(accepted=20, pending=20, leased=10)
        answer.set()
        await office.settled(accepted=20, delivered=20)
    assert calls.count(calls[0]) == 1


async def test_a_fault_in_the_list_of_integrations_ends_nothing(office: Office) -> None:
    asked: list[int] = []

    def integrations() -> list[Integration]:
        asked.append(1)
        if len(asked) == 1:
            raise RuntimeError("a bug")
        return office.integrations

    async with office.delivering(integrations=integrations):
        await office.put([1])
        await office.settled(accepted=1, delivered=1)
    assert [line["loop"] for line in office.log.named("delivery_fault")] == ["integrations"]


class Failing(Counting):
    """A store whose sweep fails a number of times."""

    def __init__(self, store: Store, failures: int) -> None:
        super().__init__(store)
        self.failures = failures

    async def sweep(self, *, limit: int = 5000) -> int:
        self.calls["sweep"] += 1
        if self.failures:
            self.failures -= 1
            raise RuntimeError("a bug")
        return await self._store.sweep(limit=limit)


async def test_a_fault_in_the_sweep_leaves_the_loops_alone_and_it_comes_again(
    office: Office,
) -> None:
    failing = Failing(office.store, 1)
    async with office.delivering(store=failing):
        await office.put([1])
        await office.settled(accepted=1, delivered=1)
        await eventually(lambda: failing.calls["sweep"] >= 2, "it sweeps again")
    assert [line["loop"] for line in office.log.named("delivery_fault")] == ["sweep"]


async def test_a_stop_lets_the_request_in_flight_end_and_begins_no_other(office: Office) -> None:
    office.integrations = [integration(batch_max=2)]
    answer = asyncio.Event()

    async def slow(_: list[str]) -> WireResponse:
        await answer.wait()
        return YES

    transport = FakeTransport(slow)
    async with office.delivering(transport=transport):
        await office.put(range(10))
        await eventually(lambda: len(transport.sent) == 2, "two requests are out")
        office.stopping.set()
        answer.set()
    assert await ledger(office.store) == {"accepted": 10, "delivered": 4, "pending": 6}


async def test_a_stop_while_idle_or_paused_ends_at_once(office: Office) -> None:
    counting = Counting(office.store)
    async with office.delivering(store=counting, poll_s=600.0):
        await eventually(lambda: counting.calls["waiting"], "it sleeps")
    office.snap.answer_with(status=401)
    async with office.delivering(schedule=Schedule()):
        await office.put([1])
        await office.gate_is("paused_auth")
    assert await ledger(office.store) == {"accepted": 1, "pending": 1}


async def test_a_stop_does_not_wait_for_a_snap_that_hangs(office: Office) -> None:
    async def hangs(_: list[str]) -> WireResponse:
        await asyncio.Event().wait()
        return YES

    transport = FakeTransport(hangs)
    async with office.delivering(transport=transport, schedule=replace(SCALED, grace_s=0.05)):
        await office.put(range(3))
        await eventually(lambda: transport.sent, "a request is out")
    assert await ledger(office.store) == {"accepted": 3, "pending": 3}


async def test_a_stop_in_the_middle_of_a_round_is_not_slept_over(office: Office) -> None:
    class Stopping(Counting):
        async def waiting(self, integration_id: str) -> tuple[int, float]:
            office.stopping.set()
            await asyncio.sleep(0.05)  # the end wakes every loop meanwhile
            office.wake.flag(integration_id).clear()
            return 0, 600.0

    async with office.delivering(store=Stopping(office.store), poll_s=600.0):
        await office.stopping.wait()


async def test_the_lease_that_is_asked_for_is_the_schedules(office: Office) -> None:
    asked: list[float] = []

    class Asked(Counting):
        async def claim(self, integration_id: str, **limits: Any) -> Lease:
            asked.append(limits["lease_s"])
            lease: Lease = await self._store.claim(integration_id, **limits)
            return lease

    async with office.delivering(store=Asked(office.store), schedule=replace(SCALED, lease_s=3.0)):
        await office.put([1])
        await office.settled(accepted=1, delivered=1)
    assert set(asked) == {3.0}


def test_waking_is_by_integration_and_is_remembered() -> None:
    wake = Wake()
    wake.tell("a")
    assert wake.flag("a").is_set()
    assert not wake.flag("b").is_set()
    wake.tell_all()
    assert wake.flag("b").is_set()
