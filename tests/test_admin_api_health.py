"""Health and metrics over HTTP: what was counted, what stands in the store, who may see it."""

from pathlib import Path
from typing import Any

import pytest

from edgeproxy.sites import Source
from edgeproxy.store.base import Dead, Gate
from tests.admin_http import admin
from tests.counted import Counting, bucket
from tests.fakes import START_MS, event, integration, item, put

SITE = Source(id="shop", integrations=(integration(id="shop-1"),))


def delivered(n: int = 9) -> list[Any]:
    return [
        bucket("in", "shop", "accepted", n=n, at_ms=START_MS),
        bucket("out", "shop-1", "delivered", "PURCHASE", n=n, at_ms=START_MS),
        bucket("wait", "shop-1", "250", n=n, at_ms=START_MS),
    ]


async def test_health_says_what_the_journal_and_the_store_know(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE, journal=Counting(*delivered())) as visitor:
        store = visitor.caller.store
        await put(store, *(item(event(n), to="shop-1") for n in range(3)))
        lease = await store.claim("shop-1", limit=1, max_bytes=10_000, lease_s=60)
        gone = [Dead(id=lease.rows[0].id, reason="rejected", detail="Invalid currency")]
        await store.settle(lease, dead=gone)
        await store.set_gate(Gate(integration="shop-1", state="paused_auth", reason="401"))
        said = (await visitor.get("/v1/admin/health")).json()

    one = said["integrations"][0]
    assert (said["level"], said["counted"], said["empty"]) == ("failing", True, False)
    assert (one["id"], one["gate"], one["reason"], one["waiting"]) == (
        "shop-1",
        "paused_auth",
        "401",
        2,
    )
    assert (one["delivered"], one["dead_now"], one["success_rate"]) == (9, 1, 1.0)
    assert one["errors"][0]["detail"] == "Invalid currency"
    assert one["wait"]["p50_ms"] == 125
    assert said["problems"][0]["cure"]


@pytest.mark.parametrize(("window", "points"), [("1h", 60), ("24h", 96), ("7d", 168)])
async def test_each_window_has_its_own_steps(tmp_path: Path, window: str, points: int) -> None:
    async with admin(tmp_path, SITE, journal=Counting(*delivered())) as visitor:
        said = (await visitor.get(f"/v1/admin/health?window={window}")).json()

    assert len(said["flow"]["delivered"]) == points
    assert said["flow"]["delivered"][-1] == 9


async def test_an_unknown_window_is_refused(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        assert (await visitor.get("/v1/admin/health?window=1y")).status_code == 422
        assert (await visitor.get("/?window=1y")).status_code == 422


@pytest.mark.parametrize("path", ["/v1/admin/health", "/v1/admin/match-quality", "/", "/metrics"])
async def test_what_stands_in_the_store_is_said_even_when_the_journal_is_off(
    tmp_path: Path, path: str
) -> None:
    off = Counting(*delivered())
    off.off = True
    for journal in (off, None):
        async with admin(tmp_path / str(journal is None), SITE, journal=journal) as visitor:
            await put(visitor.caller.store, item(to="shop-1"))
            answer = await visitor.get(path)

        assert answer.status_code == 200
        if path == "/v1/admin/health":
            assert answer.json()["counted"] is False
            assert answer.json()["waiting"] == 1
        if path == "/metrics":
            assert 'edgeproxy_waiting_events{integration="shop-1"} 1.0' in answer.text
        if path == "/":
            assert "counts cannot be read" in answer.text


async def test_metrics_are_prometheus_text_and_openmetrics_on_request(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE, journal=Counting(*delivered())) as visitor:
        plain = await visitor.get("/metrics")
        modern = await visitor.get("/metrics", accept="application/openmetrics-text")

    assert plain.headers["content-type"].startswith("text/plain")
    line = 'edgeproxy_delivered_events_total{event="PURCHASE",integration="shop-1"} 9.0'
    assert line in plain.text
    assert 'edgeproxy_gate{integration="shop-1",state="open"} 1.0' in plain.text
    assert modern.headers["content-type"].startswith("application/openmetrics-text")
    assert modern.text.endswith("# EOF\n")


@pytest.mark.parametrize("path", ["/metrics", "/v1/admin/health", "/v1/admin/alerts"])
async def test_nobody_sees_numbers_without_a_token(tmp_path: Path, path: str) -> None:
    async with admin(tmp_path, SITE) as visitor:
        assert (await visitor.ask("GET", path)).status_code == 401
