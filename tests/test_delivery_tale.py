"""Who is told of a batch: all of it within a budget, those that are followed beyond it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edgeproxy.trace import Followed, Step
from tests.desk import Desk, refusing
from tests.fakes import Clock, event, item, open_store, put


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = Clock()
    async with open_store(tmp_path, clock) as store:
        yield Desk(store, clock)


def followed(desk: Desk, *ids: str) -> Followed:
    return Followed(set(ids), desk.steps.append)


def told(desk: Desk) -> list[tuple[str, str]]:
    return [(step.stage, step.event_id) for step in desk.steps]


async def test_over_the_budget_only_those_that_are_followed_are_told(desk: Desk) -> None:
    await put(desk.store, *[item(event(n)) for n in range(5)])
    await desk.deliver(watching=lambda _: None, followed=followed(desk, "e1", "e3", "other"))
    assert told(desk) == [
        ("sent", "e1"), ("sent", "e3"), ("answered", "e1"), ("answered", "e3"),
    ]  # fmt: skip


@pytest.mark.parametrize("ids", [(), ("other",)])
async def test_when_none_of_them_is_followed_nothing_is_told(
    desk: Desk, ids: tuple[str, ...]
) -> None:
    await put(desk.store, item(event(1)))
    await desk.deliver(followed=followed(desk, *ids))
    assert told(desk) == []


async def test_within_the_budget_each_event_is_told_once(desk: Desk) -> None:
    asked: list[int] = []

    def watching(events: int) -> Any:
        asked.append(events)
        return desk.steps.append

    await put(desk.store, item(event(1)), item(event(2)))
    await desk.deliver(watching=watching, followed=followed(desk, "e1"))
    assert [one.event_id for one in desk.steps if one.stage == "sent"] == ["e1", "e2"]
    assert asked == [2]


async def test_a_dead_letter_that_is_followed_is_told(desk: Desk) -> None:
    await put(desk.store, item(event(1)), item(event(2)), item(event(3, name="PURCHASE")))
    await desk.deliver(refusing("e2"), followed=followed(desk, "e2"))
    by_id: dict[str, list[Step]] = {}
    for step in desk.steps:
        by_id.setdefault(step.event_id, []).append(step)
    assert by_id["e2"][-1].stage == "dead"
    assert by_id["e2"][-1].data == {"outcome": "rejected", "message": "Bad event"}
    assert [step.stage for step in by_id["e3"]] == ["rejected"]  # it takes no budget to tell why
    assert "e1" not in by_id
