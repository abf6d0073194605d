"""`edgeproxy serve` on PostgreSQL: kill -9, a second node, a failover, and nodes that differ."""

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeproxy.keys import load_keys, rotate_keys
from tests import canary, postgres
from tests.edge import Snap, StartEdge, batch, environment, purchase
from tests.test_kill import post_until_dead
from tests.until import until


@pytest.fixture
def schema() -> Iterator[postgres.Schema]:
    made = postgres.Schema(postgres.shared())
    yield made
    made.drop()


def on(edge: StartEdge, url: str, keys: Path) -> StartEdge:
    """The proxy on a database, with keys that were given."""
    edge.environ["EDGEPROXY_STORE__URL"] = url
    edge.environ["EDGEPROXY_STORE__KEYS_DIR"] = str(keys)
    return edge


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    load_keys(tmp_path / "keys")
    return tmp_path / "keys"


def seen_by(snap: Snap) -> set[str]:
    return {str(event["client_dedup_id"]) for event in snap.events}


def refusal(edge: StartEdge, **environ: str) -> str:
    """What `serve` says when it does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "edgeproxy", "serve"],
        env={**environment(edge), **environ},
        cwd=edge.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 78, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_an_event_survives_kill_9_and_is_delivered_by_the_next_life(
    edge: StartEdge, snap: Snap, schema: postgres.Schema, keys: Path
) -> None:
    on(edge, schema.url, keys)
    first = edge.start()
    assert first.post(purchase()).json()["accepted"] == 1
    snap.arrived(1)
    acknowledged: set[str] = set()
    callers = [
        threading.Thread(target=post_until_dead, args=(first, f"c{n}", acknowledged, set()))
        for n in range(4)
    ]
    for caller in callers:
        caller.start()
    until(lambda: len(acknowledged) > 50, "events are acknowledged")
    first.kill()
    for caller in callers:
        caller.join(20)
    second = edge.start()
    assert second.post(purchase()).json()["duplicates"] == 1
    until(lambda: acknowledged <= seen_by(snap), "everything acknowledged arrives", within_s=30)
    assert second.stop() == 0
    rows = schema.execute(
        "SELECT body, sealed, known FROM outbox UNION ALL SELECT body, '', known FROM dead"
    )
    assert not canary.leaks_in(repr(rows).encode())


def test_a_second_node_takes_over_and_has_to_have_the_same_keys(
    edge: StartEdge, snap: Snap, schema: postgres.Schema, keys: Path, tmp_path: Path
) -> None:
    on(edge, schema.url, keys)
    taking = edge.start(EDGEPROXY_SERVER__ROLE="ingest")
    assert taking.post(purchase()).json()["accepted"] == 1
    sending = edge.start(EDGEPROXY_SERVER__ROLE="deliver")
    snap.arrived(1)
    assert taking.post(purchase()).json()["duplicates"] == 1

    load_keys(tmp_path / "other")
    other = {"EDGEPROXY_STORE__KEYS_DIR": str(tmp_path / "other")}
    assert "the visitor key is not the one" in refusal(edge, **other)
    shutil.copy(keys / "visitor.key", tmp_path / "other")
    assert "signing.keys is not the one that the other nodes have" in refusal(edge, **other)
    rotate_keys(keys)
    rotated = edge.start()
    for life in (taking, sending, rotated):
        assert life.stop() == 0


def test_keys_are_not_made_on_a_node(
    edge: StartEdge, schema: postgres.Schema, tmp_path: Path
) -> None:
    on(edge, schema.url, tmp_path / "none")
    said = refusal(edge)
    assert "is missing; every node has a copy of the same key files" in said
    assert not (tmp_path / "none").exists()
    assert "store.keys_dir" in refusal(edge, EDGEPROXY_STORE__KEYS_DIR="")


def test_a_database_that_does_not_answer_is_named_without_its_password(
    edge: StartEdge, keys: Path, tmp_path: Path
) -> None:
    port = postgres.free_port()
    secret = tmp_path / "url"
    secret.write_text(f"postgresql://edge:CANARY@127.0.0.1:{port}/d?nonsense=1\n")
    secret.chmod(0o600)
    on(edge, "", keys)
    said = refusal(edge, EDGEPROXY_STORE__URL_FILE=str(secret))
    assert "store.url" in said
    assert "CANARY" not in said


@pytest.mark.slow
def test_a_failover_under_load_loses_no_acknowledged_event(
    edge: StartEdge, snap: Snap, keys: Path
) -> None:
    with postgres.pair() as (primary, standby):
        url = (
            "postgresql://edge@/postgres?host=127.0.0.1,127.0.0.1"
            f"&port={primary.port},{standby.port}&connect_timeout=2"
        )
        life = on(edge, url, keys).start()
        acknowledged: set[str] = set()
        ended = threading.Event()

        def load(name: str) -> None:
            number = 0
            while not ended.is_set():
                number += 1
                one = f"{name}-{number}"
                if life.post(batch({"name": "Product Viewed", "id": one})).status == 202:
                    acknowledged.add(one)

        callers = [threading.Thread(target=load, args=(f"c{n}",)) for n in range(6)]
        for caller in callers:
            caller.start()
        try:
            until(lambda: len(acknowledged) > 100, "events are acknowledged")
            primary.kill()
            before = len(acknowledged)
            standby.promote()
            until(lambda: len(acknowledged) > before + 100, "they are again", within_s=60)
        finally:
            ended.set()
            for caller in callers:
                caller.join(30)
        until(lambda: acknowledged <= seen_by(snap), "all of them arrive", within_s=60)
        life.process.send_signal(signal.SIGTERM)
        assert life.process.wait(40) == 0
