"""The scripted visit: what Snap must have at its end, and what it says when something is wrong."""

import copy
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest

from edgeproxy.demo.parts import Stage
from edgeproxy.demo.stage import staged
from edgeproxy.demo.visit import EXPECTED, verify, visit
from edgeproxy.demo.visitor import Visitor
from edgeproxy.errors import Failed

QUIET: list[str] = []


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged(port=0) as stage:
        yield stage


async def refused(stage: Stage, *, visitor: Visitor | None = None, deadline_s: float = 20) -> str:
    """What the visit says when it fails; it must not run into its deadline for this."""
    with pytest.raises(Failed) as caught:
        await visit(stage, visitor or stage.visitor(), say=QUIET.append, deadline_s=deadline_s)
    return str(caught.value)


async def test_snap_has_everything_in_order(stage: Stage) -> None:
    said: list[str] = []
    events = await visit(stage, stage.visitor(), say=said.append)
    assert tuple(event["event_type"] for event in events) == EXPECTED
    assert events == stage.sandbox.events
    assert len({event["client_dedup_id"] for event in events}) == len(events)
    assert stage.sandbox.counts.duplicates == stage.sandbox.counts.refused == 0
    assert said[0].startswith("an ad is clicked")
    assert said[-1] == "waiting for Snap"


async def test_every_event_names_the_visitor_and_the_click(stage: Stage) -> None:
    events = await visit(stage, stage.visitor(), say=QUIET.append)
    assert len({(event["click_id"], event["uuid_c1"]) for event in events}) == 1
    known = [event for event in events if "hashed_email" in event]
    assert [event["event_type"] for event in known] == ["PAGE_VIEW", "PURCHASE", "PAGE_VIEW"]


async def test_a_foreign_token_is_named_at_once(stage: Stage) -> None:
    stage.sandbox.tokens = frozenset({"another"})
    message = await refused(stage)
    assert message.startswith("Snap refuses PAGE_VIEW: 401 ")
    assert "Authentication failed" in message


async def test_a_refused_event_is_named_at_once(stage: Stage) -> None:
    stage.sandbox.answer_with(status=400, body={"status": "FAILED", "reason": "not today"})
    assert await refused(stage) == "Snap refuses PAGE_VIEW: 400 not today"


async def test_a_snap_that_is_down_is_named_at_the_deadline(stage: Stage) -> None:
    stage.sandbox.answer_with(status=503)
    message = await refused(stage, deadline_s=2)
    assert message.startswith("after 2 s Snap has 0 of 12 events; PAGE_VIEW: ")
    assert message.endswith(", last answer 503 HTTP 503")


async def test_a_snap_that_takes_and_forgets_is_named_at_once(stage: Stage) -> None:
    yes = {"status": "SUCCESS", "reason": "All records processed"}
    stage.sandbox.answer_with(status=200, body=yes, process=False)
    assert await refused(stage) == "Snap has accepted 12 events and does not count all of them"


async def test_a_proxy_that_drops_is_named(stage: Stage) -> None:
    robot = stage.visitor(agent="curl/8.0")
    message = await refused(stage, visitor=robot)
    assert message == "the proxy accepts 0 of 1 (page); it drops {'bot': 1}"


async def test_a_foreign_origin_is_named(stage: Stage) -> None:
    elsewhere = dataclasses.replace(stage, origin="http://shop.example")
    message = await refused(stage, visitor=elsewhere.visitor())
    assert message.startswith("POST /edge/consent answers 403")


CLICK, ORDER, SCID = "c-1", "TW-1", "5cf53726-d48a-4841-9ada-44909f2c1c30"


@pytest.fixture(scope="module")
async def good() -> list[dict[str, Any]]:
    """What a visit brings, with known ids."""
    async with staged(port=0) as stage:
        events = await visit(stage, stage.visitor(), say=QUIET.append)
    fixed = {"click_id": CLICK, "uuid_c1": SCID, "hashed_sc_cookie": SCID}
    events = [{**event, **fixed} for event in events]
    events[-2]["transaction_id"] = ORDER
    return events


async def test_a_good_visit_is_no_fault(good: list[dict[str, Any]]) -> None:
    verify(good, click_id=CLICK, order_id=ORDER, scid=SCID)


@pytest.mark.parametrize("place", [-2, -1])
@pytest.mark.parametrize(
    "field", ["click_id", "uuid_c1", "hashed_sc_cookie", "hashed_email", "hashed_ip_address"]
)
async def test_each_identifier_is_missed(
    good: list[dict[str, Any]], place: int, field: str
) -> None:
    events = copy.deepcopy(good)
    del events[place][field]
    with pytest.raises(Failed, match=f"has {field} = None"):
        verify(events, click_id=CLICK, order_id=ORDER, scid=SCID)


@pytest.mark.parametrize(
    "field", ["transaction_id", "price", "currency", "item_ids", "number_items"]
)
async def test_each_part_of_the_order_is_missed(good: list[dict[str, Any]], field: str) -> None:
    events = copy.deepcopy(good)
    events[-2][field] = "other"
    with pytest.raises(Failed, match=f"PURCHASE has {field} = 'other'"):
        verify(events, click_id=CLICK, order_id=ORDER, scid=SCID)


async def test_an_event_too_many_is_named(good: list[dict[str, Any]]) -> None:
    with pytest.raises(Failed, match="Snap received PAGE_VIEW"):
        verify([*good, good[0]], click_id=CLICK, order_id=ORDER, scid=SCID)


@pytest.mark.parametrize("raw", ["jane@example.com", "203.0.113.7"])
async def test_a_raw_value_is_a_fault(good: list[dict[str, Any]], raw: str) -> None:
    events = copy.deepcopy(good)
    events[0]["page_url"] = f"http://localhost/?q={raw}"
    with pytest.raises(Failed, match="in the clear"):
        verify(events, click_id=CLICK, order_id=ORDER, scid=SCID)
