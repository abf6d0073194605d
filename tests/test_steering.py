"""Sources and integrations made while the proxy runs, seen from outside: every process has them."""

import http.client
import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeproxy.keys import load_keys
from tests import canary, postgres
from tests.edge import PIXEL, Life, Snap, StartEdge, batch
from tests.until import until

ADMIN = "an-admin-token-of-this-test-run-0123456789"
SHOP = "https://shop.example"
SEED = """curl -X POST http://localhost:8084/v1/admin/integrations \
-H "Authorization: Bearer YOUR_TOKEN" -H "Content-Type: application/json" \
 -d '{"source_id": "src_abc123", "vendor": "snapchat", "name": "Snapchat Conversions",
      "enabled": true, "config": {"pixel_id": "…", "access_token": "…"},
      "consent_categories": ["advertising"]}'"""


class Desk:
    """The admin API of a proxy."""

    def __init__(self, life: Life) -> None:
        [line] = until(lambda: life.told("admin_listening"), "the admin listener is there")
        self.url: str = line["url"]

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Ask, and give the JSON of a success."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=15)
        headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"}
        connection.request(method, f"/v1/admin{path}", json.dumps(body), headers)
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        assert answer.status < 300, said
        assert not canary.leaks_in(said)
        return json.loads(said) if said else None

    def make(self, *origins: str) -> None:
        """A source and an integration that gets its page views at once."""
        self.call("POST", "/sources", {"id": "shop", "origins": origins or [SHOP]})
        config = {"pixel_id": PIXEL, "access_token": canary.TOKEN, "linger_ms": 0}
        self.call("POST", "/integrations", {"source_id": "shop", "id": "shop-1", "config": config})


def siteless(edge: StartEdge, **more: str) -> StartEdge:
    """A proxy whose configuration knows no site, only who may make them."""
    names = ("ORIGIN", "PIXEL_ID", "ACCESS_TOKEN")
    nothing = dict.fromkeys((f"EDGEPROXY_{name}" for name in names), "")
    edge.environ.update(nothing, EDGEPROXY_ADMIN_TOKEN=ADMIN, **more)
    return edge


def view(life: Life, event: str) -> int:
    """The status of a page view of the shop."""
    return life.post(batch({"name": "page", "id": event}), headers={"Origin": SHOP}).status


def taken(life: Life, event: str) -> bool:
    """Whether a page view of the shop is accepted: its source is known, and its integration too."""
    answer = life.post(batch({"name": "page", "id": event}), headers={"Origin": SHOP})
    return answer.status == 202 and answer.json()["accepted"] == 1


def test_the_seeds_curl_works_word_for_word_on_a_fresh_install(edge: StartEdge, snap: Snap) -> None:
    """Only what stands for something is filled in: address, token, pixel and access token."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    life = siteless(edge).start()
    desk = Desk(life)
    [told] = life.told("no_sources")
    assert "POST /v1/admin/sources" in told["advice"]
    command = SEED.replace("http://localhost:8084", desk.url).replace("YOUR_TOKEN", ADMIN)
    command = command.replace("…", PIXEL, 1).replace("…", canary.TOKEN, 1)
    done = subprocess.run(
        [*shlex.split(command), "-s"], capture_output=True, text=True, timeout=30, check=True
    )
    made = json.loads(done.stdout)
    assert (made["id"], made["source_id"]) == (f"src_abc123-{PIXEL[:8]}", "src_abc123")
    assert made["config"]["access_token"] == "••••"
    desk.call("PATCH", "/sources/src_abc123", {"origins": [SHOP]})
    assert view(life, "first") == 202
    assert snap.arrived(1)[0]["client_dedup_id"] == "first"
    assert desk.call("POST", f"/integrations/{made['id']}/test")["ok"] is True
    assert desk.call("GET", f"/integrations/{made['id']}/snap")["test"]["past_hour"] == 1
    assert life.stop() == 0
    stored = b"".join(file.read_bytes() for file in edge.folder.rglob("*") if file.is_file())
    assert not canary.leaks_in(stored)


def test_a_change_reaches_every_process_of_a_group(edge: StartEdge, snap: Snap) -> None:
    """Three processes share one port: every connection, whoever takes it, finds the new site."""
    life = siteless(edge, WEB_CONCURRENCY="3").start()
    until(lambda: len(life.told("listening")) == 3, "all processes serve")
    assert {view(life, f"before-{number}") for number in range(12)} == {403}
    desk = Desk(life)
    desk.make()
    until(lambda: len(life.told("sites_changed")) >= 3, "all have seen it")
    until(lambda: _pids(life) == 3, "each has seen both changes")
    ids = [f"after-{number}" for number in range(24)]
    assert {view(life, one) for one in ids} == {202}
    snap.arrived(24)
    desk.call("DELETE", "/integrations/shop-1")
    desk.call("DELETE", "/sources/shop")
    until(lambda: view(life, "x") == 403, "one process refuses it")
    assert life.stop() == 0


def _pids(life: Life) -> int:
    """How many processes have the integration."""
    lines = life.told("sites_changed")
    latest = max(line["edition"] for line in lines)
    return sum(line["edition"] == latest for line in lines)


def test_what_was_made_outlives_a_restart(edge: StartEdge, snap: Snap) -> None:
    life = siteless(edge).start()
    Desk(life).make()
    life.kill()
    life = edge.start()
    assert view(life, "after") == 202
    snap.arrived(1)
    assert not life.told("no_sources")
    assert life.stop() == 0


def test_a_pause_keeps_events_and_the_live_switch_refuses_new_ones(
    edge: StartEdge, snap: Snap
) -> None:
    life = siteless(edge).start()
    desk = Desk(life)
    desk.make()
    desk.call("POST", "/integrations/shop-1/pause")
    assert view(life, "held") == 202
    desk.call("PATCH", "/integrations/shop-1", {"enabled": False})
    desk.call("POST", "/integrations/shop-1/resume")
    dropped = life.post(batch({"name": "page", "id": "off"}), headers={"Origin": SHOP})
    assert dropped.json()["dropped"] == {"unmapped": 1}
    assert snap.events == []
    desk.call("PATCH", "/integrations/shop-1", {"enabled": True})
    assert [one["client_dedup_id"] for one in snap.arrived(1)] == ["held"]
    assert life.stop() == 0


@pytest.fixture
def schema() -> Iterator[postgres.Schema]:
    made = postgres.Schema(postgres.shared())
    yield made
    made.drop()


def test_a_change_reaches_the_other_nodes(
    edge: StartEdge, snap: Snap, schema: postgres.Schema, tmp_path: Path
) -> None:
    """Two nodes on PostgreSQL: one has the admin listener, the other takes the events."""
    load_keys(tmp_path / "keys")
    on = {
        "EDGEPROXY_STORE__URL": schema.url,
        "EDGEPROXY_STORE__KEYS_DIR": str(tmp_path / "keys"),
    }
    siteless(edge, **on)
    sending = edge.start(EDGEPROXY_SERVER__ROLE="deliver")
    taking = edge.start(EDGEPROXY_SERVER__ROLE="ingest")
    assert view(taking, "before") == 403
    desk = Desk(sending)
    desk.make()
    until(lambda: taken(taking, "after"), "the other node knows all of it")
    snap.arrived(1)
    desk.call("PATCH", "/sources/shop", {"origins": ["https://other.example"]})
    until(lambda: view(taking, "moved") == 403, "it knows that too")
    for life in (taking, sending):
        assert life.stop() == 0
    [(body,)] = schema.execute("SELECT body FROM office WHERE kind = 'integration'")
    assert not canary.leaks_in(bytes(body))
