"""What Snap noted of an integration's events, read back; nothing of what was sent."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest

from edgeproxy import trial
from edgeproxy.noted import LINES_MAX, Count, Noted, noted
from edgeproxy.outbound import Outbound
from edgeproxy.sandbox.app import serve_sandbox
from edgeproxy.sandbox.state import Sandbox
from edgeproxy.sites import Api, Integration
from edgeproxy.snap.transport import SnapTransport
from edgeproxy.wire import WireResponse
from tests.edge import now_ms
from tests.fakes import PIXEL, TOKEN, integration


class Snap:
    """The sandbox, and a transport that leads to it."""

    def __init__(self, sandbox: Sandbox, transport: SnapTransport) -> None:
        self.sandbox = sandbox
        self.transport = transport


@pytest.fixture
async def snap() -> AsyncIterator[Snap]:
    sandbox = Sandbox(now_ms=now_ms, tokens={TOKEN}, pixels={PIXEL})
    outbound = Outbound()
    async with serve_sandbox(sandbox) as listener:
        yield Snap(sandbox, SnapTransport(listener.url, outbound))
        await outbound.close()


@pytest.mark.parametrize("api", ["v2", "v3"])
async def test_a_test_event_is_read_back_from_snaps_log(snap: Snap, api: Api) -> None:
    ours = integration(api=api)
    for name in ("PAGE_VIEW", "PURCHASE"):
        await trial.send(ours, snap.transport, name=name, event_id=name, now_ms=now_ms())
    found = await noted(ours, snap.transport)
    assert found.message == ""
    assert [line.name for line in found.lines] == ["PURCHASE", "PAGE_VIEW"]
    assert {line.status for line in found.lines} == {"SUCCESS"}
    assert found.lines[0].at
    assert (found.test.past_hour, found.live) == (2, Count())
    assert found.test.latest_ms > 0
    assert "test@example.com" not in str(found)


@pytest.mark.parametrize("api", ["v2", "v3"])
async def test_a_refused_token_is_said(snap: Snap, api: Api) -> None:
    snap.sandbox.tokens = frozenset({"another"})
    found = await noted(integration(api=api), snap.transport)
    assert found.message.startswith("Snap's log: Snap answered 40")
    assert found.lines == ()


class Fixed:
    """Answers every question alike, and keeps the paths."""

    def __init__(self, answer: object, status: int | None = 200) -> None:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.response = WireResponse(status=status, body=body)
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def look(
        self, path: str, query: Mapping[str, str], integration: Integration
    ) -> WireResponse:
        self.asked.append((path, dict(query)))
        return self.response


async def test_snap_is_asked_for_the_asset_of_the_integration() -> None:
    looker = Fixed({})
    await noted(integration(pixel_id="a/b"), looker)
    await noted(integration(pixel_id="a/b", api="v3"), looker)
    await noted(integration(pixel_id="", snap_app_id="app"), looker)
    assert looker.asked == [
        ("/v2/conversion/validate/logs", {"asset_id": "a/b"}),
        ("/v2/conversion/validate/stats", {"asset_id": "a/b"}),
        ("/v3/a%2Fb/events/validate/logs", {}),
        ("/v3/a%2Fb/events/validate/stats", {}),
        ("/v2/conversion/validate/logs", {"asset_id": "app"}),
        ("/v2/conversion/validate/stats", {"asset_id": "app"}),
    ]


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (b"", None, "Snap's log: no answer"),
        (b"", 502, "Snap's log: Snap answered 502"),
        (b"<html>", 200, "Snap's log: the answer cannot be read"),
        (b"\xff", 200, "Snap's log: the answer cannot be read"),
        ([], 200, "Snap's log: the answer cannot be read"),
    ],
)
async def test_what_is_missing_is_said(answer: object, status: int | None, message: str) -> None:
    assert await noted(integration(), Fixed(answer, status)) == Noted(message=message)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"logs": None, "stats": []},
        {"logs": [1, "x", None], "stats": {"test": 3, "live": {"event_count_past_hour": "9"}}},
        {"logs": {}, "stats": {"test": {"event_count_past_hour": -1, "latest_event_ts": 2**60}}},
        {"stats": {"live": {"event_count_past_hour": True}}},
    ],
)
async def test_another_shape_than_expected_is_nothing(answer: object) -> None:
    assert await noted(integration(), Fixed(answer)) == Noted()


async def test_a_line_is_cut_to_what_people_read() -> None:
    line: dict[str, Any] = {
        "event_name": "SAVE\x1b[31m" + "x" * 999,
        "event_time": 17,
        "status": "FAILURE",
        "error_records": ["no", {"reason": "bad", "record_indexes": [1]}, {"secret": "x"}],
        "warning_records": "none",
        "event_metadata": {"email": "jane@example.com"},
    }
    found = await noted(integration(), Fixed({"logs": [line] * (LINES_MAX + 5)}))
    assert len(found.lines) == LINES_MAX
    one = found.lines[0]
    assert one.name.startswith("SAVE [31m")
    assert len(one.name) == 300
    assert (one.at, one.status, one.errors, one.warnings) == (
        "17",
        "FAILURE",
        ("no", "bad", ""),
        (),
    )
    assert b"jane" not in msgspec.json.encode(found)
