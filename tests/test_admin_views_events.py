"""The debugger's pages without JavaScript: filters, pages, one event, only my browser."""

import dataclasses
import html
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from edgeproxy.admin.views.events import came_in
from edgeproxy.keys import visitor_name
from edgeproxy.settings import Debugger, Settings
from edgeproxy.sites import Source
from tests.admin_http import Visitor, admin
from tests.fakes import integration
from tests.steps import SHOP, VISITOR, came, died, dropped, step, went
from tests.test_admin_views_overview import seen, words
from tests.traced import tell, traced

SITE = Source(id="shop", integrations=(integration(id=SHOP), integration(id="shop/other")))
BLOG = Source(id="blog")
SCID = "5c1d0001-aaaa-4bbb-8ccc-0123456789ab"
XSS = "<script>document.title='pwned'</script><img src=x onerror=alert(1)>"


@pytest.fixture
async def visitor(tmp_path: Path) -> AsyncIterator[Visitor]:
    history = ([*came("e1"), *went("e1", attempt=1, events=3, latency_ms=7.0)], dropped("e2"))
    async with (
        traced(tmp_path, *history) as journal,
        admin(tmp_path, SITE, BLOG, journal=journal) as one,
    ):
        yield one


async def test_the_list_says_in_words_what_became_of_each(visitor: Visitor) -> None:
    page = await seen(visitor, "/events")
    text = words(page)

    for part in (
        "Delivered PURCHASE Own PURCHASE shop → shop/pixel Snap has accepted it.",
        "No mapping Unknown shop No integration of the source wants an event of this name",
        "Up to 200 events a second leave a trace",
    ):
        assert part in text, part
    assert 'href="/events/e1"' in page
    assert 'data-stream="/v1/admin/events/stream?after=2"' in page
    assert 'href="/v1/admin/events"' in page


async def test_filters_stay_in_the_form_the_stream_and_the_pages(visitor: Visitor) -> None:
    query = f"outcome=delivered&source=shop&integration=shop%2Fpixel&visitor={VISITOR}&since=3d"
    page = await seen(visitor, f"/events?{query}&until=2030-01-01T00:00:00Z&limit=1")

    for part in (
        '<option value="delivered" selected>',
        '<option value="shop" selected>',
        f'<option value="{SHOP}" selected>',
        '<option value="3d" selected>3d</option>',
        f'<input type="hidden" name="visitor" value="{VISITOR}">',
        '<input type="hidden" name="until" value="2030-01-01T00:00:00Z">',
        f"Only one browser: {VISITOR[:8]}…",
    ):
        assert part in page, part
    older = re.search(r'<a class="button quiet" href="([^"]*before[^"]*)">Older events', page)
    assert older is not None
    fields = parse_qs(urlsplit(html.unescape(older[1])).query)
    assert fields["visitor"] == [VISITOR]
    assert fields["outcome"] == ["delivered"]
    assert fields["before"] == ["1"]
    assert "limit" not in fields
    old = await seen(visitor, html.unescape(older[1]))
    assert "data-stream=" not in old
    assert "No event is like this" in old


async def test_one_source_needs_no_choice_and_keeps_a_filter(tmp_path: Path) -> None:
    async with (
        traced(tmp_path, came("e1")) as journal,
        admin(tmp_path, BLOG, journal=journal) as visitor,
    ):
        page = await seen(visitor, "/events?source=shop&integration=gone")
        assert '<option value="shop" selected>' in page
        lone = await seen(visitor, "/events?source=blog&integration=gone")
    assert '<input type="hidden" name="source" value="blog">' in lone
    assert '<input type="hidden" name="integration" value="gone">' in lone


async def test_before_the_first_event_it_says_what_to_do(tmp_path: Path) -> None:
    async with traced(tmp_path) as journal, admin(tmp_path, SITE, journal=journal) as visitor:
        text = words(await seen(visitor, "/events"))
        empty = words(await seen(visitor, "/events?text=x"))
    assert "No event has come in yet" in text
    assert "No event is like this" in empty


async def test_without_a_journal_the_page_stays_and_says_why(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE, journal=None) as visitor:
        page = await seen(visitor, "/events")
        off = dataclasses.replace(Settings(), debugger=Debugger(enabled=False, events_per_second=0))
        assert "Traces cannot be read now" in page
        assert "data-stream=" not in page
    async with admin(tmp_path / "off", SITE, journal=None, settings=off) as visitor:
        assert "The debugger is switched off" in await seen(visitor, "/events")


async def test_one_event_has_three_panes_and_its_way(visitor: Visitor) -> None:
    text = words(await seen(visitor, "/events/e1"))

    for part in (
        "What came in Name Own PURCHASE",
        "Page https://shop.example/e1",
        "What we sent To shop/pixel Path /v2/conversion Attempt 1, with 2 more",
        "What Snap said 200 Delivered 7 ms",
        "Copy as curl curl -X POST https://tr.snapchat.com/v2/conversion",
        "Received “Own PURCHASE” came in at the source shop",
        "Snap: Delivered HTTP 200 after 7.0 ms.",
    ):
        assert part in text, part
    assert "Bearer $SNAP_TOKEN" in text
    assert f"/events?visitor={VISITOR}" in await seen(visitor, "/events/e1")


async def test_a_dropped_event_says_why_and_leads_to_the_cure(visitor: Visitor) -> None:
    page = await seen(visitor, "/events/e2")
    text = words(page)

    assert "No integration of the source wants an event of this name, so it goes nowhere." in text
    assert "What to do If Snap should have it, map the name" in text
    assert "Nothing: it goes nowhere." in text
    assert '<a class="tight" href="/integrations">Integrations →</a>' in page


async def test_every_end_has_its_page(tmp_path: Path) -> None:
    waits = [
        *came("w1"),
        step("sent", "w1", "PURCHASE", SHOP, path="/v2/conversion", low_match=True),
    ]
    retry = [
        *came("r1"),
        step("answered", "r1", "PURCHASE", SHOP, outcome="paused_auth", status=401),
    ]
    async with traced(tmp_path, waits, retry, came("q1"), [*came("d1"), *died("d1")]) as journal:
        await tell(journal, *came("m1"), *came("m1", to="shop/other"), *died("m1", "too_large"))
        lone = step("dead", "x1", "PURCHASE", SHOP, outcome="expired")
        await tell(journal, step("duplicate", "u1", "PURCHASE", SHOP, received_id="u1"), lone)
        async with admin(tmp_path, SITE, journal=journal) as visitor:
            said = {
                one: words(await seen(visitor, f"/events/{one}"))
                for one in ("w1", "r1", "q1", "d1", "m1", "u1", "x1")
            }

    assert "No answer yet." in said["w1"]
    assert "Snap can match it badly" in said["w1"]
    assert "Correct the token or the pixel id of the integration" in said["r1"]
    assert "Nothing yet: it waits for its turn." in said["q1"]
    assert "Snap refuses this event for good" in said["d1"]
    assert "PURCHASE to shop/other Waiting" in said["m1"]
    assert "PURCHASE to shop/pixel Too large for Snap" in said["m1"]
    assert "Nothing was sent." in said["u1"]
    assert "It waited until it was older than Snap takes events." in said["x1"]


async def test_what_came_from_outside_is_shown_as_text(tmp_path: Path) -> None:
    """Names, ids, addresses of pages, what was sent and what Snap said."""
    event = {"page_url": XSS, "goods": {"order_id": XSS, "item_ids": [XSS]}, XSS: XSS}
    steps = [
        step("received", "x1", XSS, event=event, consent=XSS, identity=XSS),
        step("queued", "x1", XSS[:90], XSS, received_id="x1", rule=XSS),
        step("sent", "x1", XSS[:90], XSS, path=XSS, fields={XSS: XSS}),
        step("answered", "x1", XSS[:90], XSS, outcome=XSS, status=400, message=XSS),
        step("dead", "x1", XSS[:90], XSS, outcome=XSS, message=XSS),
        *came(XSS, name=XSS[:90]),
    ]
    async with (
        traced(tmp_path, steps) as journal,
        admin(tmp_path, SITE, journal=journal) as visitor,
    ):
        query = "%3Cscript%3Ealert(1)%3C/script%3E"
        for path in ("/events", "/events/x1", f"/events?text={query}&name={query}&source={query}"):
            page = await seen(visitor, path)
            assert "<script>" not in page
            assert "<img" not in page
            assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    "typed",
    [SCID, f"  '{SCID}' ", f"_scid={SCID}", f"a=b; _scid={SCID}; session=secret-of-the-shop"],
)
async def test_only_my_browser_is_a_name_that_tells_nothing(visitor: Visitor, typed: str) -> None:
    mine = visitor_name(visitor.state.keys.visitor, "shop", SCID).hex()
    await tell(visitor.state.journal, *came("mine", visitor=mine))
    await visitor.log_in()
    phrase = await visitor.phrase()
    answer = await visitor.send(
        "/events", {"csrf": phrase, "browser": typed, "outcome": "waiting", "text": ""}
    )

    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == f"/events?outcome=waiting&visitor={mine}"
    page = await visitor.browse(answer.headers["location"])
    assert "Only this browser&#39;s events are shown." in page.text
    assert 'href="/events/mine"' in page.text
    assert 'href="/events/e1"' not in page.text
    assert SCID not in answer.headers["location"] + page.text


async def test_of_several_sources_the_one_with_events_is_meant(visitor: Visitor) -> None:
    key = visitor.state.keys.visitor
    theirs = visitor_name(key, "blog", SCID).hex()
    await visitor.log_in()
    form = {"csrf": await visitor.phrase(), "browser": SCID}
    nothing = await visitor.send("/events", form)
    first = visitor_name(key, "shop", SCID).hex()
    assert nothing.headers["location"] == f"/events?visitor={first}"
    page = await visitor.browse(nothing.headers["location"])
    assert "Nothing came from this browser yet" in page.text
    await tell(visitor.state.journal, *came("b1", source="blog", visitor=theirs))
    found = await visitor.send("/events", form)
    assert found.headers["location"] == f"/events?visitor={theirs}"
    chosen = await visitor.send("/events", {**form, "source": "shop"})
    assert chosen.headers["location"] == f"/events?source=shop&visitor={first}"


@pytest.mark.parametrize("typed", ["", "short", "no scid=here; at=all", "x" * 201, "<b>12345678"])
async def test_what_is_no_scid_is_refused_and_not_shown_again(visitor: Visitor, typed: str) -> None:
    await visitor.log_in()
    answer = await visitor.send("/events", {"csrf": await visitor.phrase(), "browser": typed})

    assert answer.status_code == 422
    assert "is no _scid" in answer.text
    assert not typed or f'value="{html.escape(typed)}"' not in answer.text


async def test_without_a_source_nobody_is_known(tmp_path: Path) -> None:
    async with traced(tmp_path) as journal, admin(tmp_path, journal=journal) as visitor:
        await visitor.log_in()
        answer = await visitor.send("/events", {"csrf": await visitor.phrase(), "browser": SCID})
        assert answer.status_code == 422
        assert "add one first" in answer.text


def test_what_people_look_for_comes_first() -> None:
    goods = {"price": "62.5", "currency": "USD", "order_id": "o-1", "item_ids": ["a", "b"]}
    found = dict(came_in({"goods": goods, "device": {"browser": "Firefox"}, "channel": "WEB"}))
    assert found == {
        "Value": "62.50 USD",
        "Order": "o-1",
        "Items": "a, b",
        "Channel": "WEB",
        "Device": "Firefox",
    }
    assert dict(came_in({"goods": {"price": 12}})) == {"Value": "12"}
    assert came_in({"goods": "?"}) == ()
