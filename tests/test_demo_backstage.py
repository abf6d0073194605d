"""The page backstage: every experiment does what it says, and the switch breaks the token."""

import dataclasses
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from edgeproxy.demo.app import shop_app
from edgeproxy.demo.parts import INTEGRATION, Stage
from edgeproxy.demo.stage import staged
from edgeproxy.demo.whatif import EXPERIMENTS
from edgeproxy.demo.words import DROPS
from edgeproxy.outbound import Answer
from edgeproxy.web.listener import bind, listening
from tests.fakes import eventually


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged(port=0) as stage:
        yield stage


async def get(stage: Stage, path: str) -> Answer:
    return await stage.outbound.request("GET", stage.url + path, limit_bytes=1 << 20)


async def events(stage: Stage) -> Any:
    return json.loads((await get(stage, "/dock.json")).body)["events"]


async def play(stage: Stage, name: str, **headers: str) -> Answer:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return await stage.outbound.request(
        "POST", f"{stage.url}/backstage/play", headers=named, body=f"play={name}".encode()
    )


async def fates(stage: Stage) -> list[tuple[str, str]]:
    return [(event["card"]["fate"], event["card"]["reason"]) for event in await events(stage)]


async def test_each_drop_has_its_reason_in_plain_words(stage: Stage) -> None:
    wanted = {"no-consent": "no_consent", "gpc": "gpc", "robot": "bot", "unmapped": "unmapped"}
    for name in wanted:
        assert (await play(stage, name)).header("location") == "/backstage"
    assert await fates(stage) == [("dropped", reason) for reason in reversed(wanted.values())]
    page = (await get(stage, "/landing")).body.decode()
    for reason in wanted.values():
        short, sentence = DROPS[reason]
        assert f'<span class="chip">{short}</span>' in page
        assert sentence in page
    assert stage.sandbox.attempts == 0


async def test_an_order_sent_twice_reaches_snap_once(stage: Stage) -> None:
    await play(stage, "twice")
    await eventually(lambda: stage.journey.totals["delivered"], "the order is delivered")
    assert sorted(await fates(stage)) == [("delivered", ""), ("duplicate", "")]
    assert len(stage.sandbox.events) == 1


async def test_an_outage_of_snap_costs_nothing(stage: Stage) -> None:
    await play(stage, "outage")
    await eventually(lambda: stage.journey.totals["delivered"], "the event is delivered")
    [event] = await events(stage)
    assert [answer["status"] for answer in event["card"]["tries"]] == [503, 503, 200]


async def test_every_experiment_has_its_button(stage: Stage) -> None:
    page = (await get(stage, "/backstage")).body.decode()
    assert re.findall(r'name="play" value="([\w-]+)"', page) == [*EXPERIMENTS, "revoke"]


async def test_an_unknown_experiment_is_a_404(stage: Stage) -> None:
    assert (await play(stage, "nothing")).status == 404


async def test_another_sites_page_cannot_play(stage: Stage) -> None:
    assert (await play(stage, "gpc", sec_fetch_site="cross-site")).status == 403
    assert (await play(stage, "gpc", sec_fetch_site="same-origin")).status == 303


async def test_an_experiment_that_fails_says_so(stage: Stage) -> None:
    """Its visitor finds nobody at the shop's address."""
    astray = dataclasses.replace(stage, url="http://127.0.0.1:1")
    async with listening(shop_app(astray), bind("127.0.0.1", 0)) as listener:
        answer = await stage.outbound.request(
            "POST", f"{listener.url}/backstage/play", body=b"play=gpc"
        )
    assert (answer.status, answer.body) == (502, b"the page /landing answers refused\n")


async def test_with_identify_every_event_carries_who_it_is(stage: Stage) -> None:
    await play(stage, "identify")
    await eventually(lambda: len(stage.sandbox.events) == 200, "all of them have arrived")
    orders = [each for each in stage.sandbox.events if each["event_type"] == "PURCHASE"]
    assert len(orders) == 40
    assert len({each["transaction_id"] for each in orders}) == 40
    for event in stage.sandbox.events:
        assert event["hashed_email"]
        assert event["hashed_phone_number"]


async def test_a_broken_token_stops_delivery_and_loses_nothing(stage: Stage) -> None:
    old = stage.tokens.latest
    await play(stage, "revoke")
    assert stage.tokens.latest != old
    page = (await get(stage, "/backstage")).body.decode()
    assert stage.tokens.latest in page
    assert old not in page
    assert f"/dashboard/integrations/{INTEGRATION}" in page
    await eventually(lambda: stage.journey.totals["paused"], "Snap has refused the token")
    assert stage.sandbox.events == []
    await patched(stage, stage.tokens.latest)
    await eventually(lambda: stage.journey.totals["delivered"], "the new token is in use")
    assert len(stage.sandbox.events) == 1


async def patched(stage: Stage, token: str) -> None:
    """Give the integration another token, as a person does in the dashboard."""
    answer = await stage.outbound.request(
        "PATCH",
        f"{stage.admin_url}/v1/admin/integrations/{INTEGRATION}",
        headers={
            "authorization": f"Bearer {stage.admin_token}",
            "content-type": "application/json",
        },
        body=json.dumps({"config": {"access_token": token}}).encode(),
    )
    assert answer.status == 200, answer.body


async def test_the_token_can_be_mended_at_snap_s_side(stage: Stage) -> None:
    await play(stage, "revoke")
    assert b"Mend the token" in (await get(stage, "/backstage")).body
    await play(stage, "restore")
    assert b"Break the token" in (await get(stage, "/backstage")).body
