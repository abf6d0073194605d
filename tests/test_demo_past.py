"""What the demo has behind it: counts in the journal, dead letters, a drop with its reason."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from edgeproxy.demo.journey import Journey
from edgeproxy.demo.parts import Stage
from edgeproxy.demo.past import ARRIVING, REFUSED, send_events
from edgeproxy.demo.stage import staged
from edgeproxy.errors import Failed
from edgeproxy.outbound import Answer
from tests.fakes import eventually


@pytest.fixture(scope="module")
async def stage() -> AsyncIterator[Stage]:
    """With its past; tests do not change it."""
    async with staged(port=0, past=True) as stage:
        yield stage


async def ask(stage: Stage, path: str) -> Answer:
    return await stage.outbound.request(
        "GET",
        f"{stage.admin_url}{path}",
        headers={"authorization": f"Bearer {stage.admin_token}"},
        limit_bytes=4 << 20,
    )


async def told(stage: Stage, path: str) -> Any:
    answer = await ask(stage, path)
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body)


@pytest.mark.parametrize("window", ["1h", "24h", "7d"])
async def test_every_chart_has_something_to_show(stage: Stage, window: str) -> None:
    health = await told(stage, f"/v1/admin/health?window={window}")
    flow = health["flow"]["received"]
    assert sum(1 for n in flow if n) > len(flow) / 2
    assert health["drops"]["no_consent"]


async def test_only_the_dead_letters_want_a_look(stage: Stage) -> None:
    health = await told(stage, "/v1/admin/health")
    [problem] = health["problems"]
    assert "dead letters" in problem["title"]
    assert health["dead_now"] == REFUSED
    assert health["waiting"] == 0
    assert health["integrations"][0]["gate"] == "open"


async def test_the_coach_advises_identify(stage: Stage) -> None:
    quality = await told(stage, "/v1/admin/match-quality")
    assert quality["actions"][0]["name"] == "email"
    assert len([day for day in quality["days"] if day["events"]]) == 7


async def test_the_debugger_has_events_of_each_end(stage: Stage) -> None:
    async def outcomes() -> Counter[str]:
        found = await told(stage, "/v1/admin/events")
        return Counter(event["outcome"] for event in found["events"])

    wanted = {"delivered": 5 * ARRIVING, "dead:rejected": REFUSED, "dropped:unmapped": 1}

    async def written() -> bool:
        return await outcomes() == wanted

    await eventually(written, f"the debugger has {wanted}")


async def test_whoever_opens_the_shop_begins_with_an_empty_dock(stage: Stage) -> None:
    assert stage.journey.cards == []


async def test_snap_takes_everything_from_now_on(stage: Stage) -> None:
    """Above all the dead letters, when they are replayed."""
    assert len(stage.sandbox.script) == 0
    await eventually(lambda: len(stage.sandbox.events) == 5 * ARRIVING, "Snap has the others")


async def test_events_that_do_not_come_to_an_end_are_a_failure() -> None:
    """Nobody tells the journey of them."""
    async with staged(port=0) as stage:
        with pytest.raises(Failed, match=r"not come to an end after 0\.1 s"):
            await send_events(stage, Journey(), deadline_s=0.1)
