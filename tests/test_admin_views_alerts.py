"""The page of alerts and its test button."""

import dataclasses
from dataclasses import asdict
from pathlib import Path

import msgspec
import pytest

from edgeproxy.admin.views.alerts import THRESHOLDS
from edgeproxy.alerts.book import Book, Notice, Standing
from edgeproxy.alerts.rules import RULES
from edgeproxy.alerts.watch import ID, KIND
from edgeproxy.alerts.webhook import TEST, Webhook
from edgeproxy.settings import Settings, Thresholds
from edgeproxy.sites import Secret, Source
from tests.admin_http import Visitor, admin
from tests.fakes import START_MS
from tests.test_admin_views_overview import seen, words
from tests.test_alerts_watch import channel_open

SITE = Source(id="shop")
BOOK = Book(
    checked_ms=START_MS - 30_000,
    standings=(
        Standing(rule="gate", subject="shop-1", raised=True, since_ms=START_MS, text="a <b> pause"),
        Standing(rule="backlog", subject="shop-1", text="the queue is empty"),
    ),
    past=tuple(
        Notice(at_ms=START_MS, kind=kind, rule="gate", subject="shop-1", text="a pause")
        for kind in ("cleared", "still", "raised")
    ),
)


async def test_before_the_first_look_the_page_says_so(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        text = words(await seen(visitor, "/alerts"))

    for part in ("The first look comes within a minute", "Nothing was told yet", "nothing yet"):
        assert part in text, part
    assert "EDGEPROXY_ALERTS__WEBHOOK_URL_FILE" in text
    assert "Send a test message" not in text


async def test_what_is_raised_stands_first_and_the_past_below(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        await visitor.state.office.put(KIND, ID, msgspec.json.encode(BOOK))
        page = await seen(visitor, "/alerts")

    text = words(page)
    assert "a &lt;b&gt; pause" in page
    assert all(rule.title in text for rule in RULES)
    for part in ("raised", "quiet", "begins", "still", "over", "the queue is empty"):
        assert part in text, part


async def test_when_all_is_quiet_it_says_when_it_last_looked(tmp_path: Path) -> None:
    quiet = Book(checked_ms=START_MS - 30_000, standings=BOOK.standings[1:])
    async with admin(tmp_path, SITE) as visitor:
        await visitor.state.office.put(KIND, ID, msgspec.json.encode(quiet))
        text = words(await seen(visitor, "/alerts"))

    assert "All quiet 1 check, the last one 30 s ago" in text


async def test_a_rule_that_is_switched_off_is_shown_as_off(tmp_path: Path) -> None:
    settings = dataclasses.replace(Settings(), alerts=Thresholds(backlog_minutes=0))
    async with admin(tmp_path, SITE, settings=settings) as visitor:
        await visitor.state.office.put(KIND, ID, msgspec.json.encode(BOOK))
        page = await seen(visitor, "/alerts")

    assert page.count('<li class="off">') == 1
    assert "the queue is empty" not in page


@pytest.mark.parametrize(
    ("status", "says"),
    [(200, "The webhook took the test message"), (404, "there is no such webhook")],
)
async def test_the_button_sends_a_test_message(tmp_path: Path, status: int, says: str) -> None:
    async with channel_open() as (channel, outbound):
        channel.status = status
        webhook = Webhook(Secret(channel.url), outbound)
        async with admin(tmp_path, SITE, webhook=webhook) as visitor:
            await visitor.log_in()
            page = await _pressed(visitor)

        assert channel.texts == [TEST]
        assert says in page
        assert "canary-9f2e" not in page


async def _pressed(visitor: Visitor) -> str:
    """The page that is shown after the button was pressed."""
    answer = await visitor.send("/alerts/test", {"csrf": await visitor.phrase()})
    if answer.status_code == 303:
        return (await visitor.browse(answer.headers["location"])).text
    return answer.text


def test_every_threshold_is_a_setting_and_every_setting_but_the_repetition_has_a_rule() -> None:
    named = {setting for setting, _ in THRESHOLDS.values()}

    assert named == set(asdict(Thresholds())) - {"repeat_hours"}
    assert set(THRESHOLDS) == {rule.name for rule in RULES} - {"gate"}
