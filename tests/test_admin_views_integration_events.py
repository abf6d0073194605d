"""The table of event names, and what Snap noted, through real HTTP."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from edgeproxy.admin.views.integration_events import instant
from edgeproxy.errors import StoreBusy
from edgeproxy.journal.base import Filter, Trace
from edgeproxy.noted import Count, Line, Noted
from edgeproxy.sites import Source
from tests.admin_http import Visitor, admin
from tests.counted import Counting, bucket
from tests.fakes import START_MS, integration
from tests.test_admin_views_integrations import HERE, fill, followed, known, made
from tests.test_admin_views_overview import words

EVENTS = f"{HERE}/events"


class Names:
    """A journal that has seen these names."""

    def __init__(self, *names: str, off: bool = False) -> None:
        self.names, self.off = names, off
        self.asked: list[Filter] = []

    async def traces(self, filter: Filter, *, limit: int) -> Sequence[Trace]:
        """As `Journal.traces`."""
        self.asked.append(filter)
        if self.off:
            raise StoreBusy("journal_off", "off")
        return [
            Trace(number=number, changed=number, event_id="e", wire_id="e", said=name)
            for number, name in enumerate(self.names[:limit])
        ]


@pytest.fixture
async def visitor(tmp_path: Path) -> AsyncIterator[Visitor]:
    async with admin(tmp_path) as visitor:
        await visitor.log_in()
        await made(visitor)
        yield visitor


async def test_a_name_is_mapped_to_several_and_back_to_none(visitor: Visitor) -> None:
    form = {"own": " Quiz Finished ", "snap": "CUSTOM_EVENT_1"}
    text = await followed(visitor, await fill(visitor, EVENTS, version="1", **form))
    assert "Quiz Finished goes as CUSTOM_EVENT_1." in text
    await fill(visitor, EVENTS, version="2", own="quiz_finished", snap="SIGN_UP")
    assert (await known(visitor))["events"] == {"Quiz Finished": ["CUSTOM_EVENT_1", "SIGN_UP"]}
    gone = {"own": "Quiz Finished", "snap": "CUSTOM_EVENT_1"}
    text = await followed(visitor, await fill(visitor, f"{EVENTS}/remove", version="3", **gone))
    assert "does not go as CUSTOM_EVENT_1 any more" in text
    assert (await known(visitor))["events"] == {"Quiz Finished": ["SIGN_UP"]}
    gone["snap"] = "SIGN_UP"
    await fill(visitor, f"{EVENTS}/remove", version="4", **gone)
    assert (await known(visitor))["events"] == {}


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"own": "  ", "snap": "SAVE"}, "is empty; it is the name that your site sends"),
        ({"own": "Quiz", "snap": "LEAD"}, "is none of Snap's event names"),
    ],
)
async def test_a_wrong_name_is_told_and_what_was_typed_stays(
    visitor: Visitor, form: dict[str, str], says: str
) -> None:
    answer = await fill(visitor, EVENTS, version="1", **form)
    assert answer.status_code == 422
    assert says in words(answer.text)
    assert (await known(visitor))["events"] == {}


@pytest.mark.parametrize("path", ["", "/remove", "/unknown"])
async def test_an_older_page_changes_nothing(visitor: Visitor, path: str) -> None:
    form = {"own": "Quiz", "snap": "SAVE", "unknown_events": "uppercase"}
    answer = await fill(visitor, EVENTS + path, version="7", **form)
    assert answer.status_code == 412
    assert "somebody else changed it meanwhile" in words(answer.text).lower()
    assert (await known(visitor))["version"] == 1


async def test_names_without_a_mapping_follow_a_rule(visitor: Visitor) -> None:
    form = {"unknown_events": "CUSTOM_EVENT_5"}
    assert "Saved." in await followed(
        visitor, await fill(visitor, f"{EVENTS}/unknown", version="1", **form)
    )
    assert '<option value="CUSTOM_EVENT_5" selected>' in (await visitor.browse(EVENTS)).text


async def test_names_that_went_nowhere_are_shown_and_can_be_mapped(tmp_path: Path) -> None:
    journal = Names("Quiz & Co", "Size Chosen", "Quiz & Co")
    async with admin(tmp_path, journal=journal) as visitor:
        await visitor.log_in()
        await made(visitor)
        page = (await visitor.browse(EVENTS)).text
        assert "Quiz & Co 2 ×" in words(page)
        assert words(page).index("Quiz & Co") < words(page).index("Size Chosen")
        assert journal.asked == [Filter(source="shop", outcome="dropped:unmapped")]
        link = f"{EVENTS}?own=Quiz%20%26%20Co"
        assert f'href="{link}#f-own"' in page
        assert 'value="Quiz &amp; Co"' in (await visitor.browse(link)).text


async def test_without_a_journal_there_is_nothing_to_suggest(tmp_path: Path) -> None:
    async with admin(tmp_path, journal=Names("Quiz", off=True)) as visitor:
        await visitor.log_in()
        await made(visitor)
        text = words((await visitor.browse(EVENTS)).text)
        assert "No event of shop was dropped for its name of late" in text


FILE = Source(id="file", integrations=(integration(id="file-1", source="file"),))


async def seen(tmp_path: Path, noted: Noted, *counts: Any) -> str:
    async def look(_: object) -> Noted:
        return noted

    journal = Counting(*counts)
    async with admin(tmp_path, FILE, snap_logs=look, journal=journal) as visitor:
        return words((await visitor.get("/integrations/file-1/snap")).text)


async def test_snap_s_counts_stand_beside_ours(tmp_path: Path) -> None:
    noted = Noted(
        live=Count(past_hour=12, latest_ms=START_MS),
        test=Count(past_hour=3),
        lines=(
            Line(name="PURCHASE", at=str(START_MS), status="FAILURE", errors=("no <price>",)),
            Line(name="PAGE_VIEW", at="yesterday", status="SUCCESS", warnings=("low match",)),
        ),
    )
    text = await seen(
        tmp_path,
        noted,
        bucket("out", "file-1", "delivered", "PURCHASE", n=9, at_ms=START_MS),
        bucket("out", "file-1", "delivered", "PAGE_VIEW", n=2, at_ms=START_MS),
        bucket("out", "file-1", "test", "PAGE_VIEW", n=4, at_ms=START_MS),
        bucket("out", "another", "delivered", "PAGE_VIEW", n=99, at_ms=START_MS),
    )
    assert "Live events 12 11 29 Jan 14:53:20 UTC" in text
    assert "Test events 3 4 never" in text
    assert "PURCHASE 29 Jan 14:53:20 UTC failure no <price>" in text
    assert "PAGE_VIEW yesterday success low match" in text


async def test_what_snap_does_not_tell_is_said(tmp_path: Path) -> None:
    text = await seen(tmp_path, Noted(message="Snap's log: no answer"))
    assert "Snap's log: no answer. What is missing below was not told." in text
    assert "Snap's log is empty" in text
    assert "Live events 0 0 never" in text


async def test_where_nothing_is_counted_our_side_is_blank(tmp_path: Path) -> None:
    async with admin(tmp_path, FILE, snap_logs=None) as visitor:
        text = words((await visitor.get("/integrations/file-1/snap")).text)
        assert "Live events 0 – never" in text
        assert "Snap's log is not asked for here" in text


async def test_a_test_event_from_there_leads_back_there(visitor: Visitor) -> None:
    answer = await fill(visitor, f"{HERE}/test", back="snap")
    assert answer.headers["location"] == f"{HERE}/snap"
    assert [one.id for one in visitor.caller.probed] == ["shop-1"]


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("1706540000000", 1_706_540_000_000),
        ("1706540000", 1_706_540_000_000),
        ("170654", None),
        ("١٧٠٦٥٤٠٠٠٠", None),
        ("2024-01-29", None),
        ("", None),
    ],
)
def test_a_time_of_snap_s_is_read_when_it_is_a_number(text: str, at_ms: int | None) -> None:
    assert instant(text) == at_ms
