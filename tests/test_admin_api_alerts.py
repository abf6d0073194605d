"""Alerts over HTTP: how they stand, and the test of the way to people."""

from pathlib import Path

import msgspec
import pytest

from edgeproxy.alerts.book import Book, Notice, Standing
from edgeproxy.alerts.rules import RULES
from edgeproxy.alerts.watch import ID, KIND
from edgeproxy.alerts.webhook import TEST, Webhook
from edgeproxy.sites import Secret, Source
from tests.admin_http import TOKEN, admin
from tests.fakes import START_MS
from tests.test_alerts_watch import channel_open

SITE = Source(id="shop")
RAISED = Standing(rule="gate", subject="shop-1", raised=True, since_ms=START_MS, text="paused")
QUIET = Standing(rule="backlog", subject="shop-1", text="the queue is empty")
NOTICE = Notice(at_ms=START_MS, kind="raised", rule="gate", subject="shop-1", text="paused")
BOOK = Book(checked_ms=START_MS, standings=(QUIET, RAISED), unsent=(NOTICE,), past=(NOTICE,))


async def test_before_the_first_look_nothing_is_raised(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        said = (await visitor.get("/v1/admin/alerts")).json()

    assert (said["checked_ms"], said["standings"], said["webhook"]) == (0, [], "")
    assert [rule["name"] for rule in said["rules"]] == [rule.name for rule in RULES]
    assert said["limits"]["success_percent"] == 95


async def test_raised_alerts_come_first_and_what_was_told_is_kept(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        await visitor.state.office.put(KIND, ID, msgspec.json.encode(BOOK))
        said = (await visitor.get("/v1/admin/alerts")).json()

    assert [one["raised"] for one in said["standings"]] == [True, False]
    assert (said["past"][0]["text"], said["unsent"]) == ("paused", 1)


@pytest.mark.parametrize(("status", "ok"), [(200, True), (404, False)])
async def test_a_test_message_is_sent_and_its_fate_told(
    tmp_path: Path, status: int, ok: bool
) -> None:
    async with channel_open() as (channel, outbound):
        channel.status = status
        webhook = Webhook(Secret(channel.url), outbound)
        async with admin(tmp_path, SITE, webhook=webhook) as visitor:
            answer = await visitor.ask("POST", "/v1/admin/alerts/test", bearer=TOKEN)
            shown = (await visitor.get("/v1/admin/alerts")).text

        assert channel.texts == [TEST]
        assert (answer.json()["ok"], answer.json()["status"]) == (ok, status)
        assert "canary-9f2e" not in answer.text + shown
        assert "http://127.0.0.1/••••" in shown


async def test_without_a_webhook_there_is_nothing_to_test(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        answer = await visitor.ask("POST", "/v1/admin/alerts/test", bearer=TOKEN)

    assert answer.status_code == 409
    assert "alerts.webhook_url_file" in answer.text
