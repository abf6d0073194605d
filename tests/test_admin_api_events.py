"""The debugger's API: lists with filters and pages, the whole way of one event."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from edgeproxy.admin.api.events import EventDetail, Events
from edgeproxy.sites import Source
from tests.admin_http import Visitor, admin
from tests.steps import SHOP, START_MS, VISITOR, came, died, dropped, step, went
from tests.traced import tell, traced

SITE = Source(id="shop")
PATH = "/v1/admin/events"
LATER_MS = START_MS + 60_000
HISTORY = (
    [*came("e1"), *went("e1")],
    [*came("e2", name="SAVE", to="shop/other", visitor="cd" * 16), *died("e2", to="shop/other")],
    dropped("e3", at_ms=LATER_MS, source="blog", visitor=""),
    [step("rejected", "e4", "Odd", code="bad_time", reason="no zone", at_ms=LATER_MS)],
)


@pytest.fixture
async def visitor(tmp_path: Path) -> AsyncIterator[Visitor]:
    async with traced(tmp_path, *HISTORY) as journal, admin(tmp_path, SITE, journal=journal) as one:
        one.caller.clock.now_ms = LATER_MS
        yield one


async def asked(visitor: Visitor, query: str = "") -> dict[str, Any]:
    answer = await visitor.get(f"{PATH}{query}")
    assert answer.status_code == 200, answer.text
    msgspec.json.decode(answer.content, type=Events)  # as documented
    found: dict[str, Any] = answer.json()
    return found


async def ids(visitor: Visitor, query: str = "") -> list[str]:
    return [one["event_id"] for one in (await asked(visitor, query))["events"]]


async def test_the_newest_comes_first_with_its_fate_in_words(visitor: Visitor) -> None:
    found = await asked(visitor)

    assert [one["event_id"] for one in found["events"]] == ["e4", "e3", "e2", "e2", "e1"]
    last = found["events"][-1]
    assert last["name"] == "PURCHASE"
    assert last["said"] == "Own PURCHASE"
    assert last["visitor"] == VISITOR
    assert last["outcome"] == "delivered"
    assert last["reason"]["label"] == "Delivered"
    assert last["url"] == "/events/e1"
    assert found["events"][1]["reason"]["cure"].startswith("If Snap should have it")
    assert found["now_ms"] == LATER_MS
    assert found["next"] is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?source=blog", ["e3"]),
        (f"?integration={SHOP}", ["e1"]),
        ("?name=save", ["e2"]),
        ("?name=own%20purchase", ["e1"]),
        ("?outcome=delivered", ["e1"]),
        ("?outcome=dropped", ["e3"]),
        ("?outcome=dropped:unmapped", ["e3"]),
        ("?outcome=dropped:bot", []),
        ("?outcome=rejected:bad_time", ["e4"]),
        ("?outcome=dead", ["e2"]),
        (f"?visitor={'cd' * 16}", ["e2"]),
        ("?text=shop.example/e1", ["e1"]),
        ("?text=e3", ["e3"]),
        ("?since=30s", ["e4", "e3"]),
        (f"?since={LATER_MS}", ["e4", "e3"]),
        (f"?until={LATER_MS}", ["e2", "e2", "e1"]),
        ("?since=2024-01-29T14:54:00Z", ["e4", "e3"]),
        ("?until=2024-01-29T15:54:00%2B01:00&integration=shop/pixel", ["e1"]),
        ("?since=2h&outcome=&name=", ["e4", "e3", "e2", "e2", "e1"]),
    ],
)
async def test_a_filter_lets_only_its_own_pass(
    visitor: Visitor, query: str, expected: list[str]
) -> None:
    assert await ids(visitor, query) == expected


async def test_pages_follow_each_other_without_a_gap(visitor: Visitor) -> None:
    first = await asked(visitor, "?limit=2")
    second = await asked(visitor, f"?limit=2&before={first['next']}")
    third = await asked(visitor, f"?limit=2&before={second['next']}")

    pages = [[one["event_id"] for one in page["events"]] for page in (first, second, third)]
    assert pages == [["e4", "e3"], ["e2", "e2"], ["e1"]]
    assert third["next"] is None


@pytest.mark.parametrize(
    "query",
    [
        "?since=yesterday",
        "?until=2024-01-29T14:54:00",
        "?since=0m",
        "?visitor=AB",
        f"?visitor={'g' * 32}",
        "?limit=0",
        "?limit=201",
        "?before=-1",
        f"?before={2**64}",
        "?color=red",
        f"?text={'x' * 201}",
    ],
)
async def test_a_query_that_cannot_be_is_refused_with_a_sentence(
    visitor: Visitor, query: str
) -> None:
    answer = await visitor.get(f"{PATH}{query}")
    assert answer.status_code == 422
    assert answer.json()["code"] == "bad_query"
    stream = await visitor.get(f"{PATH}/stream{query}")
    assert stream.status_code == 422


async def test_a_time_that_no_calendar_has_finds_nothing_or_all(visitor: Visitor) -> None:
    assert await ids(visitor, "?until=0001-01-01T00:00:00Z") == []
    assert len(await ids(visitor, "?since=0001-01-01T00:00:00Z")) == 5
    assert await ids(visitor, "?since=9999-12-31T23:59:59Z") == []
    assert len(await ids(visitor, "?since=999999d")) == 5


async def test_the_whole_way_of_an_event(visitor: Visitor) -> None:
    answer = await visitor.get(f"{PATH}/e1")
    assert answer.status_code == 200
    msgspec.json.decode(answer.content, type=EventDetail)
    found = answer.json()

    assert found["event_id"] == "e1"
    titles = [stage["title"] for stage in found["story"]["stages"]]
    assert titles[0] == "Received"
    assert titles[-1] == "Snap: Delivered"
    [branch] = found["story"]["branches"]
    assert branch["sendings"][0]["curl"].startswith(
        "curl -X POST https://tr.snapchat.com/v2/conversion"
    )
    assert branch["answers"][0]["status"] == 200


async def test_an_event_of_this_moment_is_found_before_its_trace_is_written(
    tmp_path: Path,
) -> None:
    async with traced(tmp_path) as journal:

        async def catch_up() -> None:
            await tell(journal, *came("e1"))

        async with admin(tmp_path, SITE, journal=journal, catch_up=catch_up) as one:
            assert (await one.get(f"{PATH}/e1")).status_code == 200


async def test_an_event_that_nobody_knows_is_not_found(visitor: Visitor) -> None:
    answer = await visitor.get(f"{PATH}/nobody")
    assert answer.status_code == 404
    assert (await visitor.get("/events/nobody")).status_code == 404


@pytest.mark.parametrize("id_", ["a/b?c#d&e=%2F", "<script>alert(1)</script>", "ü ☃"])
async def test_an_odd_id_has_a_page_of_its_own(tmp_path: Path, id_: str) -> None:
    steps = came(id_)
    async with traced(tmp_path, steps) as journal, admin(tmp_path, SITE, journal=journal) as one:
        [row] = (await asked(one))["events"]
        assert row["url"] == f"/events/{quote(id_, safe='')}"
        assert (await one.get(row["url"])).status_code == 200
        assert (await one.get(f"/v1/admin{row['url']}")).json()["event_id"] == id_


@pytest.mark.parametrize("path", [PATH, f"{PATH}/e1", f"{PATH}/stream"])
async def test_without_a_journal_it_says_so(tmp_path: Path, path: str) -> None:
    async with admin(tmp_path, SITE, journal=None) as visitor:
        answer = await visitor.get(path)
        assert answer.status_code == 503
        assert answer.json()["code"] == "journal_off"


async def test_nothing_raw_is_in_the_command(tmp_path: Path) -> None:
    fields = {"event_type": "SAVE", "user_agent": "••••"}
    sent = step("sent", "e1", "SAVE", SHOP, path="/v3/px/events", fields=fields)
    async with traced(tmp_path, [sent]) as journal, admin(tmp_path, SITE, journal=journal) as one:
        found = (await one.get(f"{PATH}/e1")).json()
    command = found["story"]["branches"][0]["sendings"][0]["curl"]
    assert "$SNAP_TOKEN" in command
    assert json.dumps({"data": [fields]}, ensure_ascii=False, separators=(",", ":")) in command
