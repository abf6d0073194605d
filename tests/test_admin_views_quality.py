"""The coach's page."""

from pathlib import Path

from edgeproxy.quality import DAY_MS, NOTE
from edgeproxy.sites import Source
from tests.admin_http import admin
from tests.counted import Counting, cover
from tests.fakes import START_MS, integration
from tests.test_admin_views_overview import seen, words

ONE = Source(id="shop", integrations=(integration(id="shop-1", name="Shop pixel"),))
TWO = Source(id="shop", integrations=(*ONE.integrations, integration(id="shop-2")))
COUNTS = (
    *cover(
        {("PURCHASE", "sivt"): 30, ("PAGE_VIEW", "si"): 900}, at_ms=START_MS, integration="shop-1"
    ),
    *cover({("APP_OPEN", "im"): 5}, at_ms=START_MS - DAY_MS, integration="shop-2"),
)


async def test_the_page_shows_the_score_the_coverage_and_three_actions(tmp_path: Path) -> None:
    async with admin(tmp_path, TWO, journal=Counting(*COUNTS)) as visitor:
        page = await seen(visitor, "/match-quality")

    text = words(page)
    assert NOTE in text
    assert "Add the e-mail with identify" in text
    assert page.count('<p class="gain"') == 3
    assert 'class="ring' in page
    for part in ("PURCHASE", "PAGE_VIEW", "APP_OPEN", "Mobile ad id", "Click id 80", "Item ids 5"):
        assert part in text, part
    assert text.count("All integrations") == 1


async def test_one_integration_can_be_chosen(tmp_path: Path) -> None:
    async with admin(tmp_path, TWO, journal=Counting(*COUNTS)) as visitor:
        text = words(await seen(visitor, "/match-quality?integration=shop-1"))

    assert "APP_OPEN" not in text
    assert "930 events" in text


async def test_with_one_integration_there_is_nothing_to_choose(tmp_path: Path) -> None:
    async with admin(tmp_path, ONE, journal=Counting(*COUNTS)) as visitor:
        assert "All integrations" not in await seen(visitor, "/match-quality")


async def test_nothing_delivered_says_where_to_look(tmp_path: Path) -> None:
    async with admin(tmp_path, ONE, journal=Counting()) as visitor:
        text = words(await seen(visitor, "/match-quality"))

    assert "Nothing was delivered in the last 7 days" in text
    assert "See whether events come in" in text


async def test_perfect_events_need_no_advice(tmp_path: Path) -> None:
    counts = cover({("PURCHASE", "ceinpstvx"): 3}, at_ms=START_MS, integration="shop-1")
    async with admin(tmp_path, ONE, journal=Counting(*counts)) as visitor:
        assert "There is nothing left to gain" in words(await seen(visitor, "/match-quality"))
