"""The first page: what a person sees at a glance, in each state, without JavaScript."""

import html
import re
from pathlib import Path
from typing import Any

from edgeproxy.admin.views.overview import DROPS
from edgeproxy.alerts.book import Book, Standing, encode
from edgeproxy.alerts.watch import ID, KIND
from edgeproxy.metrics import DROP_REASONS
from edgeproxy.sites import Source
from edgeproxy.store.base import Dead, Gate
from tests.admin_http import Visitor, admin
from tests.counted import Counting, bucket, cover
from tests.fakes import START_MS, event, integration, item, put

SITE = Source(id="shop", integrations=(integration(id="shop-1", name="Shop pixel"),))
BUSY = (
    bucket("in", "shop", "accepted", n=120, at_ms=START_MS),
    bucket("in", "shop", "duplicates", n=17, at_ms=START_MS),
    bucket("in", "shop", "dropped.no_consent", n=31, at_ms=START_MS),
    bucket("in", "shop", "dropped.odd<b>", n=2, at_ms=START_MS),
    bucket("out", "shop-1", "delivered", "PURCHASE", n=118, at_ms=START_MS),
    bucket("out", "shop-1", "retry", "PURCHASE", n=4, at_ms=START_MS),
    bucket("out", "shop-1", "dead.rejected", "PURCHASE", n=2, at_ms=START_MS),
    bucket("answer", "shop-1", "transient", "503", n=1, at_ms=START_MS),
    bucket("wait", "shop-1", "250", n=118, at_ms=START_MS),
    *cover({("PURCHASE", "esivt"): 118}, at_ms=START_MS, integration="shop-1"),
)


async def seen(visitor: Visitor, path: str = "/") -> str:
    answer = await visitor.get(path)
    assert answer.status_code == 200, answer.text
    assert " style=" not in answer.text
    assert "<script>" not in answer.text
    return answer.text


def words(page: str) -> str:
    """The text of a page's content, without its tags."""
    main = page.partition("<main")[2]
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", main)))


async def test_a_busy_proxy_is_told_in_numbers(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE, journal=Counting(*BUSY)) as visitor:
        await put(visitor.caller.store, item(to="shop-1"))
        page = await seen(visitor)

    text = words(page)
    for part in (
        "Everything is on its way: 1 event in the queue",
        "Received 170",
        "Delivered 118",
        "Success rate 98.3 %",
        "Duplicates collapsed 17",
        "No consent to advertising 31",
        "Shop pixel delivers shop-1",
        "p50 p95 p99",
        "Snap did not answer, or had a fault",
    ):
        assert part in text, part
    assert "odd&lt;b&gt;" in page
    assert page.count('<svg class="spark') >= 5


async def test_charts_stand_over_pictures_that_need_no_script(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE, journal=Counting(*BUSY)) as visitor:
        page = await seen(visitor, "/?window=24h")

    charts = re.findall(r'<div class="chart" data-chart="([^"]*)"[^>]*>(.*?)</div>', page, re.S)
    assert len(charts) == 2
    assert all("<svg" in inner for _, inner in charts)
    assert "Sent again" in charts[0][0]
    assert 'aria-current="true">24 h' in page


async def test_a_paused_integration_comes_first_with_its_cure(tmp_path: Path) -> None:
    two = Source(id="shop", integrations=(integration(id="a"), integration(id="shop-1")))
    async with admin(tmp_path, two, journal=Counting(*BUSY)) as visitor:
        store = visitor.caller.store
        await put(store, *(item(event(n), to="shop-1") for n in range(3)))
        lease = await store.claim("shop-1", limit=1, max_bytes=10_000, lease_s=60)
        await store.settle(lease, dead=[Dead(id=lease.rows[0].id, reason="rejected")])
        reason = 'Snap says: "<script>alert(1)</script>"'
        gate = Gate(integration="shop-1", state="paused_auth", reason=reason, probe_in_s=840)
        await store.set_gate(gate)
        page = await seen(visitor)

    text = words(page)
    assert "1 thing keeps events from Snap" in text
    assert "Cure Correct the access token or the pixel id" in text
    assert "1 event that Snap did not take" in text
    assert "Next try in 14 min" in text
    assert page.index('<section class="card integration bad"') < page.index(
        '<section class="card integration "'
    )
    assert "<script>alert" not in page


async def test_raised_alerts_are_pointed_to(tmp_path: Path) -> None:
    standing = Standing(rule="gate", subject="shop-1", raised=True)
    async with admin(tmp_path, SITE, journal=Counting(*BUSY)) as visitor:
        await visitor.state.office.put(KIND, ID, encode(Book(standings=(standing,))))
        assert "1 alert is raised" in words(await seen(visitor))


async def test_an_empty_proxy_says_what_to_do_next(tmp_path: Path) -> None:
    async with admin(tmp_path / "a", journal=Counting()) as visitor:
        text = words(await seen(visitor))
        assert "No event has come in yet" in text
        assert "Add an integration" in text
    async with admin(tmp_path / "b", SITE, journal=Counting()) as visitor:
        text = words(await seen(visitor))
        assert "Done 1 source and 1 integration" in text
        assert "Add an integration" not in text
        assert "s.js" in text


async def test_events_that_go_nowhere_are_told_of(tmp_path: Path) -> None:
    journal = Counting(bucket("in", "shop", "accepted", at_ms=START_MS))
    async with admin(tmp_path, Source(id="shop"), journal=journal) as visitor:
        assert "Events come in, and go nowhere" in words(await seen(visitor))


async def test_the_page_and_its_twin_agree(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE, journal=Counting(*BUSY)) as visitor:
        page = await seen(visitor, "/?window=7d")
        twin: dict[str, Any] = (await visitor.get("/v1/admin/health?window=7d")).json()

    assert 'href="/v1/admin/health' in page
    assert twin["sentence"] in page
    assert twin["received"] == 170


def test_every_reason_for_a_drop_has_words() -> None:
    assert set(DROPS) == DROP_REASONS
