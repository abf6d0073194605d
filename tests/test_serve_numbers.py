"""The numbers of a real proxy: what a browser sent is what dashboard and Prometheus see."""

from typing import Any

import httpx
import msgspec
import pytest

from tests.edge import ORIGIN, Life, Snap, StartEdge
from tests.until import until

TOKEN = "an-admin-token-that-nobody-would-guess"


class Desk:
    """Asks the admin listener of a life."""

    def __init__(self, life: Life) -> None:
        told = until(lambda: life.told("admin_listening"), "the admin listener listens")
        self.url: str = told[0]["url"]

    def text(self, path: str) -> str:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = httpx.get(self.url + path, headers=headers, timeout=15, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.text

    def json(self, path: str) -> Any:
        return msgspec.json.decode(self.text(path))


@pytest.fixture
def life(edge: StartEdge, snap: Snap) -> Life:
    life = edge.start(
        EDGEPROXY_ADMIN_TOKEN=TOKEN,
        EDGEPROXY_ALERTS__WEBHOOK_URL="http://127.0.0.1:9/canary-hook-1f2e3d",
    )
    page = f"{ORIGIN}/thanks?ScCid=7b3a7917-a82a-47e8-9728-e1b3b045abb2"
    event = {
        "id": "order-1",
        "type": "track",
        "name": "Order Completed",
        "properties": {"value": 42, "currency": "USD", "order_id": "o-1"},
    }
    batch = {"page": {"url": page}, "consent": {"ad": True}, "events": [event]}
    assert life.post(batch).status == 202
    assert life.post(batch).status == 202
    snap.arrived(1)
    return life


def test_one_purchase_is_counted_once_everywhere(life: Life) -> None:
    desk = Desk(life)

    def counted() -> bool:
        found = desk.json("/v1/admin/health")
        return bool(found["integrations"] and found["integrations"][0]["delivered"]) and bool(
            found["duplicates"]
        )

    until(counted, "the delivery is counted, and the copy that came after the event")
    whole = desk.json("/v1/admin/health")
    one = whole["integrations"][0]
    assert (one["delivered"], one["success_rate"], one["error_rate"]) == (1, 1.0, 0.0)
    assert (whole["sources"][0]["accepted"], whole["duplicates"], whole["level"]) == (1, 1, "ok")
    assert one["wait"]["p50_ms"] is not None
    assert one["snap"]["p50_ms"] is not None
    assert sum(whole["flow"]["delivered"]) == 1

    metrics = desk.text("/metrics")
    for line in (
        'edgeproxy_received_events_total{outcome="accepted",source="default"} 1.0',
        'edgeproxy_received_events_total{outcome="duplicates",source="default"} 1.0',
        f'edgeproxy_delivered_events_total{{event="PURCHASE",integration="{one["id"]}"}} 1.0',
        f'edgeproxy_gate{{integration="{one["id"]}",state="open"}} 1.0',
        f'edgeproxy_ledger_balanced{{integration="{one["id"]}"}} 1.0',
    ):
        assert line in metrics, line

    quality = desk.json("/v1/admin/match-quality")
    shares = {part["name"]: part["share"] for part in quality["coverage"]}
    assert (shares["click_id"], shares["value"], shares["ip_and_agent"]) == (1.0, 1.0, 1.0)
    assert shares["email"] == 0.0
    assert quality["score"] > 0

    assert "Everything is delivered" in desk.text("/")
    assert "PURCHASE" in desk.text("/match-quality")


def test_somebody_watches_and_the_webhook_is_written_nowhere(life: Life) -> None:
    desk = Desk(life)
    until(lambda: desk.json("/v1/admin/alerts")["checked_ms"], "somebody looked")

    said = desk.text("/v1/admin/alerts") + desk.text("/alerts") + life.log.read_text()
    assert "http://127.0.0.1/••••" in said
    assert "canary-hook-1f2e3d" not in said
    assert life.stop() == 0
