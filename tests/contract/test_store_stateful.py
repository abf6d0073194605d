"""Every store against the model, step by step: hypothesis picks the steps and may crash it."""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from edgeproxy.outcome import DEAD_REASONS
from edgeproxy.store import STORES
from edgeproxy.store.base import Binding, Dead, Entry, Gate, Item, Lease, Retry, Store
from tests.contract.store_model import Model, written
from tests.contract.store_world import APP, DAY_MS, SHOP, START_MS, World, entry, key

STEP_S = 300
LAST_MS = START_MS + 380 * DAY_MS  # identities are kept for 395 days, and the model for ever
INTEGRATIONS = st.sampled_from([SHOP, APP])
VISITORS = st.sampled_from([b"", b"a" * 16, b"b" * 16])
STATES = st.sampled_from(["open", "probing", "paused_auth", "paused_reject", "paused_manual"])
EXAMPLES = {"sqlite": 60, "postgresql": 20}
T = TypeVar("T")


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    integration = draw(INTEGRATIONS)
    order = draw(st.sampled_from(["", "", "o1", "o2"]))
    return entry(
        integration=integration,
        key=key(f"{integration}{draw(st.integers(0, 5))}"),
        order_key=key(integration + order) if order else b"",
        visitor=draw(VISITORS),
        sealed=draw(st.sampled_from([b"", b"s" * 50])),
        expires_ms=START_MS + draw(st.integers(0, 40)) * DAY_MS,
    )


def bindings() -> st.SearchStrategy[Binding | None]:
    traits = st.dictionaries(st.sampled_from(["em", "ph"]), st.sampled_from(["1", "2"]))
    binding = st.builds(
        Binding,
        visitor=VISITORS,
        traits=traits.map(lambda t: written(t) or b"{}"),
        forget=st.booleans(),
    )
    return st.none() | st.none() | binding


ITEMS = st.lists(
    st.builds(Item, st.lists(entries(), max_size=2).map(tuple), bindings()), min_size=1, max_size=4
)


class StoreMachine(RuleBasedStateMachine):
    """One store, its model, and the leases that were ever handed out."""

    leases: Bundle[Lease] = Bundle("leases")

    engine = ""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.world = World(self.engine, Path(self.folder.name))
        self.model = Model()
        self.store: Store

    def do(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    @property
    def now(self) -> int:
        return self.world.clock.now_ms

    @initialize()
    def begin(self) -> None:
        self.store = self.do(self.world.open())

    def teardown(self) -> None:
        self.do(self.world.close())
        self.world.end()
        self.runner.close()
        self.folder.cleanup()

    @rule()
    def crash(self) -> None:
        """What is not durable is gone; another life opens the same place."""
        self.store = self.do(self.world.open())

    @precondition(lambda self: self.now < LAST_MS)
    @rule(steps=st.sampled_from([1, 2, 12, 288, 3 * 288, 31 * 288]))
    def time_passes(self, steps: int) -> None:
        self.world.clock.pass_s(steps * STEP_S)

    @rule(steps=st.sampled_from([1, 6, 12, 288]))
    def the_clock_is_set_back(self, steps: int) -> None:
        self.world.clock.pass_s(-steps * STEP_S)

    @rule(items=ITEMS)
    def append(self, items: list[Item]) -> None:
        self.model.write(self.now)
        fates = self.do(self.store.append(items))
        self.model.append(items, fates, self.now)

    @rule(
        target=leases,
        integration=INTEGRATIONS,
        limit=st.integers(1, 5),
        max_bytes=st.sampled_from([1, 60, 10_000]),
        lease_s=st.sampled_from([STEP_S, 2 * STEP_S]),
    )
    def claim(self, integration: str, limit: int, max_bytes: int, lease_s: int) -> Lease:
        self.model.write(self.now)
        rows, probe = self.model.claim(integration, self.now, limit=limit, max_bytes=max_bytes)
        lease = self.do(
            self.store.claim(integration, limit=limit, max_bytes=max_bytes, lease_s=lease_s)
        )
        self.model.hand_out(rows, lease, self.now, lease_s)
        assert lease.probe == probe
        assert [
            (r.key, r.visitor, r.name, r.body, r.sealed, r.known, r.attempt, r.event_time_ms)
            for r in lease.rows
        ] == [
            (
                m.entry.key,
                m.entry.visitor,
                m.entry.name,
                m.entry.body,
                m.entry.sealed,
                m.known,
                m.attempt,
                m.entry.event_time_ms,
            )
            for m in rows
        ]
        return lease

    @rule(lease=leases, data=st.data())
    def settle(self, lease: Lease, data: st.DataObject) -> None:
        delivered, retry, dead = [], [], []
        for row in lease.rows:
            what = data.draw(st.sampled_from(["delivered", "retry", "dead", "nothing"]))
            if what == "delivered":
                delivered.append(row.id)
            elif what == "retry":
                delay_s = data.draw(st.sampled_from([0, STEP_S, 3600]))
                retry.append(Retry(id=row.id, delay_s=delay_s, counted=data.draw(st.booleans())))
            elif what == "dead":
                dead.append(Dead(id=row.id, reason=data.draw(st.sampled_from(DEAD_REASONS))))
        self.model.write(self.now)
        expected = self.model.settle(lease, self.now, delivered, retry, dead)
        booked = self.do(self.store.settle(lease, delivered=delivered, retry=retry, dead=dead))
        assert booked == expected

    @rule(lease=leases)
    def renew(self, lease: Lease) -> None:
        self.model.write(self.now)
        mine = self.model.owned(lease)
        for row in mine.values():
            row.until = self.now + 2 * STEP_S * 1000
        assert self.do(self.store.renew(lease, 2 * STEP_S)) == len(mine)
        assert set(self.do(self.store.carried(lease))) == set(mine)

    @rule(everything=st.booleans())
    def recover(self, everything: bool) -> None:
        self.model.write(self.now)
        expected = self.model.recover(self.now, everything=everything)
        assert self.do(self.store.recover(everything=everything)) == expected

    @rule(
        integration=INTEGRATIONS,
        state=STATES,
        probe_in_s=st.sampled_from([None, 0, STEP_S]),
        backoff_s=st.sampled_from([0, STEP_S]),
    )
    def set_gate(
        self, integration: str, state: Any, probe_in_s: float | None, backoff_s: float
    ) -> None:
        gate = Gate(
            integration=integration, state=state, probe_in_s=probe_in_s, backoff_s=backoff_s
        )
        self.model.write(self.now)
        self.model.set_gate(gate, self.now)
        self.do(self.store.set_gate(gate))

    @rule(visitor=VISITORS, thoroughly=st.booleans())
    def recall(self, visitor: bytes, thoroughly: bool) -> None:
        self.model.write(self.now)
        if thoroughly:
            assert self.do(self.store.forget(visitor)) == self.model.forget(visitor)
        else:
            assert self.do(self.store.recall(visitor)) == self.model.recall(visitor)

    @rule()
    def sweep(self) -> None:
        self.model.write(self.now)
        fewest, most = self.model.sweep(self.now)
        assert fewest <= self.do(self.store.sweep()) <= most

    @rule(data=st.data(), again=st.booleans())
    def end_dead_letters(self, data: st.DataObject, again: bool) -> None:
        letters = self.do(self.store.dead_letters())
        assert {letter.body for letter in letters} == set(self.model.dead)
        assert all(self.model.dead[x.body].reason == x.reason for x in letters)
        chosen = [letter for letter in letters if data.draw(st.booleans())]
        if again:  # one at a time: the first may take the place of the second
            chosen = [x for x in chosen[:1] if self.is_sure(x.body)]
        ids, bodies = [letter.id for letter in chosen], [letter.body for letter in chosen]
        self.model.write(self.now)
        if again:
            assert self.do(self.store.replay(ids)) == self.model.replay(bodies, self.now)
        else:
            assert self.do(self.store.discard(ids)) == self.model.discard(bodies)

    def is_sure(self, body: bytes) -> bool:
        return self.model.has_later_copy(self.model.dead[body], self.now) is not None

    @rule(visitor=VISITORS)
    def known(self, visitor: bytes) -> None:
        traits = self.model.traits.get(visitor, {})
        assert self.do(self.store.known(visitor)) == written(traits)

    @rule(integration=INTEGRATIONS)
    def waiting(self, integration: str) -> None:
        expected = self.model.waiting(integration, self.now)
        assert self.do(self.store.waiting(integration)) == expected

    @invariant()
    def the_ledger_balances_and_is_the_model_s(self) -> None:
        found = {counts.integration: counts for counts in self.do(self.store.stats())}
        assert all(counts.balanced for counts in found.values()), found
        named = {whose for whose, _ in self.model.ledger}
        assert found == {name: self.model.counts(name, self.now) for name in named}


@pytest.mark.parametrize("engine", sorted(STORES))
def test_no_sequence_of_steps_tells_a_store_from_its_model(engine: str) -> None:
    class Machine(StoreMachine):
        pass

    Machine.engine = engine
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES[engine],
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
