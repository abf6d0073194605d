"""What every journal does, on each engine of the store."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from edgeproxy.errors import StoreBusy
from edgeproxy.journal import open_journal
from edgeproxy.journal.base import DAY_MS, HOUR_MS, MINUTE_MS, Bucket, Filter, Journal
from edgeproxy.journal.bounds import MIB, Bounds
from edgeproxy.journal.look import GLANCE, MOST
from edgeproxy.journal.shelf import OTHER, PARTS, SHAPES_MAX
from edgeproxy.store import STORES
from edgeproxy.trace import Step
from tests.contract.store_world import PLACES
from tests.fakes import KeptLog
from tests.steps import SHOP, START_MS, VISITOR, came, died, dropped, step, went

ROOMY = Bounds(reserve_bytes=0)
ALL = Filter()


class World:
    """A place for journals."""

    def __init__(self, engine: str, folder: Path) -> None:
        self.engine = engine
        self._place = PLACES[engine](folder)
        self._opened: list[Journal] = []
        self.log = KeptLog()
        self.now_ms = START_MS

    def open(self, bounds: Bounds = ROOMY) -> Journal:
        journal = open_journal(
            self._place.url, now_ms=lambda: self.now_ms, bounds=bounds, say=self.log
        )
        self._opened.append(journal)
        return journal

    async def close(self) -> None:
        for journal in self._opened:
            await journal.close()
        self._place.close()


@pytest.fixture(params=sorted(STORES))
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    made = World(request.param, tmp_path)
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def journal(world: World) -> Journal:
    return world.open()


async def put(journal: Journal, *steps: Sequence[Step], at_ms: int = START_MS) -> None:
    """Write steps in one go."""
    assert await journal.write([one for some in steps for one in some], {}, at_ms)


async def ids(journal: Journal, wanted: Filter = ALL, **more: int) -> list[str]:
    return [trace.event_id for trace in await journal.traces(wanted, **more)]


async def outcomes(journal: Journal) -> dict[str, str]:
    return {trace.event_id: trace.outcome for trace in await journal.traces(ALL)}


class TestTraces:
    async def test_an_event_is_told_from_the_door_to_the_answer(self, journal: Journal) -> None:
        await put(journal, came("e1", at_ms=START_MS), went("e1", at_ms=START_MS + 300))
        (listed,) = await journal.traces(ALL)
        whole = await journal.trace("e1")
        assert whole is not None
        assert [one.stage for one in whole.steps] == ["received", "queued", "sent", "answered"]
        assert whole.steps[2].data["fields"] == {"client_dedup_id": "e1", "event_type": "PURCHASE"}
        assert msgspec.structs.replace(whole, steps=()) == listed
        assert (listed.number, listed.source, listed.integration) == (1, "shop", SHOP)
        assert (listed.said, listed.name, listed.rule) == ("Own PURCHASE", "PURCHASE", "catalog")
        assert (listed.outcome, listed.at_ms, listed.visitor) == ("delivered", START_MS, VISITOR)

    async def test_what_is_written_later_joins_what_was_written_before(
        self, journal: Journal
    ) -> None:
        await put(journal, came("e1"))
        assert await outcomes(journal) == {"e1": "waiting"}
        await put(journal, died("e1"))
        assert await outcomes(journal) == {"e1": "dead:rejected"}
        await put(journal, went("e1"))
        assert await outcomes(journal) == {"e1": "delivered"}
        whole = await journal.trace("e1")
        assert whole is not None
        assert len(whole.steps) == 6

    async def test_delivery_may_be_heard_of_before_the_door(self, journal: Journal) -> None:
        await put(journal, went("e1", visitor=""))
        await put(journal, came("e1"))
        await put(journal, went("e2"), came("e2"))
        second, first = await journal.traces(ALL)
        for trace, id_ in ((first, "e1"), (second, "e2")):
            assert (trace.event_id, trace.outcome) == (id_, "delivered")
            assert (trace.said, trace.rule, trace.visitor) == ("Own PURCHASE", "catalog", VISITOR)

    async def test_an_id_that_comes_again_is_a_trace_of_its_own(self, journal: Journal) -> None:
        again = [
            step("received", "e1", "Own PURCHASE"),
            step("duplicate", "e1", "PURCHASE", SHOP, received_id="e1", rule="catalog"),
        ]
        await put(journal, came("e1"))
        await put(journal, again)
        await put(journal, went("e1"))
        assert [one.outcome for one in await journal.traces(ALL)] == ["duplicate", "delivered"]
        whole = await journal.trace("e1")
        assert whole is not None
        assert whole.outcome == "delivered"

    async def test_an_id_that_is_accepted_anew_begins_anew(self, journal: Journal) -> None:
        await put(journal, came("e1"), died("e1"))
        await put(journal, came("e1"))
        await put(journal, went("e1"))
        assert [one.outcome for one in await journal.traces(ALL)] == ["delivered", "dead:rejected"]

    async def test_one_event_for_several_ends_is_told_as_one(self, journal: Journal) -> None:
        both = [
            *came("e1"),
            step("queued", "e1-2", "CUSTOM_EVENT_1", SHOP, received_id="e1", rule="own table"),
        ]
        await put(journal, both, went("e1"), died("e1-2", name="CUSTOM_EVENT_1"))
        assert [(one.event_id, one.wire_id) for one in await journal.traces(ALL)] == [
            ("e1", "e1-2"),
            ("e1", "e1"),
        ]
        for id_ in ("e1", "e1-2"):
            whole = await journal.trace(id_)
            assert whole is not None
            assert whole.outcome == "dead:rejected"
            assert [one.stage for one in whole.steps].count("received") == 1
            assert {one.name for one in whole.steps} == {
                "Own PURCHASE",
                "PURCHASE",
                "CUSTOM_EVENT_1",
            }

    async def test_ids_that_begin_alike_are_not_one_event(self, journal: Journal) -> None:
        await put(journal, came("e1"), came("e1-7"), came("e1-x"))
        whole = await journal.trace("e1")
        assert whole is not None
        assert len(whole.steps) == 2

    async def test_a_drop_keeps_its_reason_and_gets_an_id(self, journal: Journal) -> None:
        refused = [step("rejected", "e2", "Bad", code="bad_time", reason="…")]
        await put(journal, dropped(""), dropped("e1", reason="gpc"), refused)
        found = {one.outcome: one for one in await journal.traces(ALL)}
        assert set(found) == {"dropped:unmapped", "dropped:gpc", "rejected:bad_time"}
        nameless = found["dropped:unmapped"].event_id
        assert nameless.startswith("unnamed-")
        whole = await journal.trace(nameless)
        assert whole is not None
        assert whole.steps[0].data == {"reason": "unmapped"}
        assert (whole.name, whole.said, whole.integration) == ("Unknown", "Unknown", "")

    async def test_an_event_that_could_not_be_sent_is_dead(self, journal: Journal) -> None:
        await put(journal, came("e1"))
        await put(journal, [step("rejected", "e1", "PURCHASE", SHOP, outcome="missing_price")])
        assert await outcomes(journal) == {"e1": "dead:missing_price"}

    async def test_a_test_event_is_marked(self, journal: Journal) -> None:
        await put(journal, came("e1"), came("e2"), came("e3"))
        await put(journal, [step("sent", "e1", "PURCHASE", SHOP, path="/v2/conversion/validate")])
        await put(journal, [step("received", "e4", "x", event={"test": True})])
        await put(journal, [step("received", "e5", "x", event={"test": True}), came("e5")[1]])
        assert [one.event_id for one in await journal.traces(ALL) if one.test] == ["e5", "e1"]

    async def test_what_cannot_be_stored_as_it_is_is_stored_in_part(self, journal: Journal) -> None:
        odd = "a\0b\ud800" + "x" * 1000
        await put(
            journal,
            [step("dropped", odd, odd, reason=odd, source=odd, visitor="", more={"k": odd})],
            came("e1"),
        )
        listed = await journal.traces(ALL)
        assert len(listed) == 2
        whole = await journal.trace(listed[1].event_id)
        assert whole is not None
        assert len(whole.event_id) == 200
        assert await journal.traces(Filter(text=odd)) == []
        assert await journal.trace(odd) is None

    async def test_only_so_many_times_steps_are_added(self, journal: Journal) -> None:
        await put(journal, came("e1"))
        for _ in range(PARTS + 1):
            await put(journal, died("e1"))
        await put(journal, went("e1"))
        whole = await journal.trace("e1")
        assert whole is not None
        assert whole.outcome == "delivered"
        assert len(whole.steps) == 2 * PARTS
        assert await ids(journal) == ["e1"]

    async def test_nobody_can_invent_so_many_names_that_filters_get_slow(
        self, journal: Journal
    ) -> None:
        for first in range(0, SHAPES_MAX + 10, 500):
            await put(journal, *[dropped(f"d{n}", f"Name {n}") for n in range(first, first + 500)])
        await put(journal, dropped("last", "The last one"), came("kept"))
        kept, last = await journal.traces(ALL, limit=2)
        assert (last.said, last.name) == (OTHER, OTHER)
        assert (kept.said, kept.name) == (OTHER, "PURCHASE")
        whole = await journal.trace("last")
        assert whole is not None
        assert whole.steps[0].name == "The last one"


class TestFilters:
    @pytest.fixture
    async def filled(self, journal: Journal) -> Journal:
        """Five events of different kinds, a minute apart."""
        await put(journal, came("e1", at_ms=START_MS), went("e1"))
        await put(
            journal,
            came("e2", "PAGE_VIEW", at_ms=START_MS + MINUTE_MS),
            died("e2", name="PAGE_VIEW"),
        )
        later = came("e3", to="app/pixel", source="app", at_ms=START_MS + 2 * MINUTE_MS)
        await put(journal, later)
        await put(journal, dropped("e4", visitor="", at_ms=START_MS + 3 * MINUTE_MS))
        await put(journal, came("E5-Order", visitor="cd" * 16, at_ms=START_MS + 4 * MINUTE_MS))
        return journal

    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            (Filter(), ["E5-Order", "e4", "e3", "e2", "e1"]),
            (Filter(source="app"), ["e3"]),
            (Filter(integration=SHOP), ["E5-Order", "e2", "e1"]),
            (Filter(name="page_view"), ["e2"]),
            (Filter(name="OWN PURCHASE"), ["E5-Order", "e3", "e1"]),
            (Filter(outcome="dead"), ["e2"]),
            (Filter(outcome="dead:rejected"), ["e2"]),
            (Filter(outcome="dead:expired"), []),
            (Filter(outcome="dropped"), ["e4"]),
            (Filter(outcome="waiting", source="shop"), ["E5-Order"]),
            (Filter(visitor=VISITOR), ["e3", "e2", "e1"]),
            (Filter(visitor=VISITOR, outcome="delivered"), ["e1"]),
            (Filter(visitor="not hex"), []),
            (Filter(visitor="ee" * 16), []),
            (Filter(since_ms=START_MS + 2 * MINUTE_MS), ["E5-Order", "e4", "e3"]),
            (Filter(until_ms=START_MS + 2 * MINUTE_MS), ["e2", "e1"]),
            (Filter(since_ms=START_MS), ["E5-Order", "e4", "e3", "e2", "e1"]),
            (Filter(since_ms=START_MS + DAY_MS), []),
            (Filter(since_ms=START_MS + MINUTE_MS, until_ms=START_MS + 2 * MINUTE_MS), ["e2"]),
            (Filter(text="catalog"), ["E5-Order", "e3", "e2", "e1"]),
            (Filter(text="REJECT"), ["e2"]),
            (Filter(text="bad event"), ["e2"]),
            (Filter(text="shop.example/E5"), ["E5-Order"]),
            (Filter(text="e5-ord"), ["E5-Order"]),
            (Filter(text="SHOP.EXAMPLE", outcome="delivered"), ["e1"]),
            (Filter(text="shop.example", visitor="cd" * 16), ["E5-Order"]),
            (Filter(text="%"), []),
            (Filter(text="nowhere"), []),
            (Filter(source="nowhere"), []),
        ],
    )
    async def test_each_filter_finds_what_it_names(
        self, filled: Journal, wanted: Filter, expected: list[str]
    ) -> None:
        assert await ids(filled, wanted) == expected

    async def test_pages_go_on_where_the_last_one_ended(self, filled: Journal) -> None:
        first = await filled.traces(ALL, limit=2)
        assert [one.event_id for one in first] == ["E5-Order", "e4"]
        assert await ids(filled, before=first[-1].number, limit=2) == ["e3", "e2"]
        assert await ids(filled, Filter(integration=SHOP), before=first[-1].number) == ["e2", "e1"]
        assert await ids(filled, before=1) == []

    async def test_a_look_since_the_last_sees_what_is_new_and_what_changed(
        self, filled: Journal
    ) -> None:
        seen = max(one.changed for one in await filled.traces(ALL))
        assert await filled.traces(ALL, after=seen) == []
        await put(filled, went("E5-Order"))
        await put(filled, came("e6"), went("e3", to="app/pixel", source="app"))
        assert await ids(filled, after=seen) == ["e6", "e3", "E5-Order"]
        assert await ids(filled, Filter(source="app"), after=seen) == ["e3"]
        assert await ids(filled, Filter(visitor="cd" * 16), after=seen) == ["E5-Order"]
        assert await ids(filled, Filter(text="e6"), after=seen) == ["e6"]
        assert await ids(filled, after=seen, limit=1) == ["e6"]

    async def test_the_rare_is_found_among_the_many(self, journal: Journal) -> None:
        await put(journal, came("rare", "SHARE"), came("rarer", "SAVE"))
        for first in range(0, GLANCE + 500, 500):
            await put(journal, *[came(f"m{n}") for n in range(first, first + 500)])
        assert await ids(journal, Filter(name="SHARE")) == ["rare"]
        assert await ids(journal, Filter(outcome="waiting"), limit=1) == [f"m{first + 499}"]
        assert await ids(journal, Filter(text="own s")) == ["rarer", "rare"]
        assert await ids(journal, Filter(text="shop.example/rar")) == []  # beyond the newest
        assert await ids(journal, Filter(text="shop.example/rar", name="SAVE")) == ["rarer"]
        assert await ids(journal, Filter(text="shop.example/rar"), before=9) == ["rarer", "rare"]

    async def test_the_newest_of_uneven_kinds_are_found_among_the_many(
        self, journal: Journal
    ) -> None:
        names = ["OFTEN" if n % 10 else f"ONCE_{n}" for n in range(300)]
        await put(journal, *[came(f"a{n}", name, source="app") for n, name in enumerate(names)])
        for first in range(0, GLANCE + 500, 500):
            await put(journal, *[came(f"m{n}") for n in range(first, first + 500)])
        expected = [f"a{n}" for n in reversed(range(300))]
        for limit in (1, 17, 100, 299, 400):
            found = await ids(journal, Filter(source="app"), limit=limit)
            assert found == expected[:limit]

    async def test_ids_that_begin_alike_are_found_few_or_many(self, journal: Journal) -> None:
        await put(journal, came("alike-first", "SHARE"), came("Other"))
        expected = ["alike-first"]
        for size in (2500, MOST + 2000):
            more = [f"alike-{n:04}" for n in range(len(expected), size)]
            for first in range(0, len(more), 500):
                await put(journal, *[came(id_) for id_ in more[first : first + 500]])
            expected = [*reversed(more), *expected]
            assert await ids(journal, Filter(text="Alike-"), limit=2400) == expected[:2400]
            wanted = Filter(text="alike-", name="SHARE")
            assert await ids(journal, wanted) == ["alike-first"]


class TestCounts:
    IN = ("in", "shop", "accepted", "")
    OUT = ("out", SHOP, "delivered", "PURCHASE")

    async def test_counts_add_up_by_steps_of_time(self, journal: Journal) -> None:
        begin = START_MS - START_MS % HOUR_MS
        for minute in (0, 0, 1, 14, 15, 61):
            await journal.write([], {self.IN: 2, self.OUT: 1}, begin + minute * MINUTE_MS + 5)
        span = {"since_ms": begin, "until_ms": begin + 2 * HOUR_MS}

        async def summed(step_ms: int) -> dict[int, int]:
            found = await journal.counts(["in"], step_ms=step_ms, **span)
            return {(one.at_ms - begin) // MINUTE_MS: one.n for one in found}

        assert await summed(MINUTE_MS) == {0: 4, 1: 2, 14: 2, 15: 2, 61: 2}
        assert await summed(5 * MINUTE_MS) == {0: 6, 10: 2, 15: 2, 60: 2}
        assert await summed(15 * MINUTE_MS) == {0: 8, 15: 2, 60: 2}
        assert await summed(HOUR_MS) == {0: 10, 60: 2}
        both = await journal.counts(["in", "out"], step_ms=HOUR_MS, **span)
        assert Bucket(begin, self.OUT, 5) in both
        assert await journal.counts(["wait"], step_ms=HOUR_MS, **span) == []
        assert await journal.totals() == {self.IN: 12, self.OUT: 6}

    async def test_counts_keep_to_their_bounds(self, journal: Journal) -> None:
        begin = START_MS - START_MS % HOUR_MS
        for minute in range(4):
            await journal.write([], {self.IN: 1}, begin + minute * MINUTE_MS)
        found = await journal.counts(
            ["in"],
            since_ms=begin + MINUTE_MS + 7,
            until_ms=begin + 3 * MINUTE_MS,
            step_ms=MINUTE_MS,
        )
        assert [(one.at_ms - begin) // MINUTE_MS for one in found] == [1, 2]

    async def test_counts_age_out_by_their_fineness_and_totals_stay(self, journal: Journal) -> None:
        await journal.write([], {self.IN: 1}, START_MS)
        span = {"since_ms": START_MS - DAY_MS, "until_ms": START_MS + DAY_MS}
        left = []
        for now_ms in (
            START_MS + 26 * HOUR_MS,
            START_MS + 27 * HOUR_MS,
            START_MS + 9 * DAY_MS,
            START_MS + 36 * DAY_MS,
        ):
            await journal.sweep(now_ms)
            found = [
                await journal.counts(["in"], step_ms=step_ms, **span)
                for step_ms in (MINUTE_MS, 15 * MINUTE_MS, HOUR_MS)
            ]
            left.append([len(one) for one in found])
        assert left[1:] == [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
        assert await journal.totals() == {self.IN: 1}


class TestErasure:
    async def test_a_visitor_is_erased_and_nobody_else(self, journal: Journal) -> None:
        other = "cd" * 16
        await put(journal, came("e1"), went("e1"), came("e2", visitor=other), dropped("e3"))
        assert await journal.forget(bytes.fromhex(VISITOR)) == 2
        assert await ids(journal) == ["e2"]
        assert await journal.trace("e1") is None
        assert await journal.forget(bytes.fromhex(VISITOR)) == 0

    async def test_no_trace_of_an_erased_visitor_begins_for_a_while(
        self, world: World, journal: Journal
    ) -> None:
        await journal.forget(bytes.fromhex(VISITOR))
        await put(world.open(), went("e1"), came("e2"))
        assert await ids(journal) == []
        later_ms = START_MS + 2 * HOUR_MS
        await journal.sweep(later_ms)
        await put(journal, came("e3"), at_ms=later_ms)
        assert await ids(journal) == ["e3"]

    async def test_traces_age_out_with_all_that_belongs_to_them(self, world: World) -> None:
        journal = world.open(msgspec.structs.replace(ROOMY, keep_days=2))
        await put(journal, *[came(f"old{n}") for n in range(2500)])
        await put(journal, came("new", at_ms=START_MS + DAY_MS))
        await journal.sweep(START_MS + DAY_MS)
        assert len(await ids(journal, limit=5000)) == 2501
        await journal.sweep(START_MS + 2 * DAY_MS + 1)
        assert await ids(journal) == ["new"]
        assert await ids(journal, Filter(text="shop.example")) == ["new"]
        await put(journal, came("newer"))
        assert await ids(journal) == ["newer", "new"]

    async def test_what_is_too_much_pushes_out_the_oldest(self, world: World) -> None:
        journal = world.open(msgspec.structs.replace(ROOMY, max_bytes=2 * MIB))
        filler = "x" * 2000
        for n in range(40):
            await put(
                journal, *[[*came(f"e{n}-{m}"), *dropped("", more=filler)] for m in range(100)]
            )
        found = await ids(journal, limit=10_000)
        assert 0 < len(found) < 6000
        assert found[1].startswith("e39-")
        await journal.sweep(START_MS)
        assert len(await ids(journal, limit=10_000)) <= 1000 + len(found)


class TestLife:
    async def test_several_may_write_at_once(self, world: World) -> None:
        journals = [world.open() for _ in range(3)]

        async def fill(number: int) -> None:
            for n in range(20):
                counts = {TestCounts.IN: 1, ("x", str(number), "", ""): 1}
                steps = [*came(f"e{number}-{n}"), *went(f"e{number}-{n}")]
                while not await journals[number].write(steps, counts, START_MS):
                    pass

        await asyncio.gather(*map(fill, range(3)))
        assert len(await ids(journals[0], Filter(outcome="delivered"), limit=100)) == 60
        assert (await journals[1].totals())[TestCounts.IN] == 60

    async def test_a_journal_outlives_its_process(self, world: World, journal: Journal) -> None:
        await put(journal, came("e1"))
        await journal.close()
        again = world.open()
        await put(again, went("e1"))
        assert await outcomes(again) == {"e1": "delivered"}

    async def test_a_closed_journal_takes_nothing(self, world: World, journal: Journal) -> None:
        await put(journal, came("e1"))
        await journal.close()
        await journal.close()
        assert not await journal.write(came("e2"), {}, START_MS)
        await journal.sweep(START_MS)
        for ask in (journal.traces(ALL), journal.trace("e1"), journal.totals()):
            with pytest.raises(StoreBusy):
                await ask
        with pytest.raises(StoreBusy):
            await journal.forget(b"v" * 16)
        assert world.log.lines == []

    async def test_an_empty_write_makes_a_journal_that_can_be_read(self, journal: Journal) -> None:
        await put(journal)
        assert await journal.traces(Filter(text="x")) == []
        assert await journal.trace("x") is None
        assert await journal.totals() == {}
