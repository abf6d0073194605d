"""Large batches of a server: stored in one go, without keeping all others waiting."""

import asyncio
from collections.abc import Sequence

import msgspec

from edgeproxy.intake.raw import RawBatch, RawEvent
from edgeproxy.intake.report import Report
from edgeproxy.public.ask import read_ask
from edgeproxy.public.reports import accept_reports, unhurried
from edgeproxy.public.state import State
from edgeproxy.store.base import Fate, Item
from tests.keyed import KEY
from tests.test_public_keyed import state_of


class Notebook:
    """A store that notes what it is asked, and takes everything as new."""

    def __init__(self) -> None:
        self.appended: list[int] = []
        self.recalled: list[bytes] = []

    async def append(self, items: Sequence[Item]) -> Sequence[Sequence[Fate]]:
        """Take the items."""
        self.appended.append(len(items))
        return [[Fate.ACCEPTED for _ in item.entries] for item in items]

    async def recall(self, visitor: bytes) -> int:
        """Forget a visitor."""
        self.recalled.append(visitor)
        return 0


def report(number: int, name: str = "purchase", ad: bool = True) -> Report:
    """One event of a visitor with two names."""
    batch = RawBatch(
        events=(RawEvent(index=number, name=name, id=f"e-{number}"),), consent={"ad": ad}
    )
    return Report(batch=batch, channel="WEB", names=("visitor-1", "user\0u"), scid="visitor-1")


async def taken(state: State, reports: Sequence[Report]) -> list[tuple[int, dict[str, int]]]:
    """(accepted, dropped) of each report."""
    site = state.registry.by_write_key(KEY)
    assert site is not None
    ask = read_ask({"headers": [], "client": None, "scheme": "https"}, state.proxies)
    answers = await accept_reports(reports, ask, site, state)
    return [(one.accepted, one.dropped) for one in answers]


async def test_many_reports_are_one_commit_and_answered_in_their_order() -> None:
    store = Notebook()
    reports = [report(n, name="unknown" if n % 3 else "purchase") for n in range(100)]
    found = await taken(state_of(store), reports)
    assert found == [(0, {"unmapped": 1}) if n % 3 else (1, {}) for n in range(100)]
    assert store.appended == [34]


async def test_who_withdraws_is_forgotten_by_every_name_after_what_came_before() -> None:
    store = Notebook()
    erased: list[bytes] = []
    state = state_of(store)
    state = type(state)(**{**vars(state), "forgot": erased.append})
    no = msgspec.structs.replace(report(1), batch=RawBatch(events=(), consent={"ad": False}))
    assert await taken(state, [report(0), no, report(2)]) == [(1, {}), (0, {}), (1, {})]
    assert store.appended == [1, 1]
    assert len(set(store.recalled)) == 2
    assert erased == store.recalled


async def test_nothing_to_store_asks_nothing_of_the_store() -> None:
    store = Notebook()
    assert await taken(state_of(store), [report(0, ad=False)]) == [(0, {"no_consent": 1})]
    assert store.appended == []


async def test_others_have_their_turn_while_a_large_batch_is_read() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        busy = tasks.create_task(other())
        assert [one async for one in unhurried(range(160))] == list(range(160))
        busy.cancel()
    assert turns >= 9
