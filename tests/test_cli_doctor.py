"""What `edgeproxy doctor` finds, and what it and `serve --accept-loss` do about a lost store."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import pytest

from edgeproxy.store.sqlite.damage import last_aside
from tests.contract.damage import break_page
from tests.edge import StartEdge, batch, environment
from tests.until import until

GOODS = [{"product_id": f"SKU-{number:090}", "price": 1, "quantity": 1} for number in range(40)]


def run(edge: StartEdge, *args: str) -> tuple[int, str, str]:
    """A command with the same settings; exit status, standard output, standard error."""
    command = [sys.executable, "-m", "edgeproxy", *args]
    done = subprocess.run(
        command, cwd=edge.folder, env=environment(edge), capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def doctor(edge: StartEdge, *args: str) -> tuple[int, dict[str, dict[str, Any]]]:
    status, out, err = run(edge, "doctor", "--json", *args)
    assert out, err
    return status, {one["name"]: one for one in json.loads(out)}


def event(number: int) -> dict[str, object]:
    """Some 5 kB when it is stored."""
    name, properties = "Product Viewed", {"products": GOODS}
    return {"name": name, "id": f"event-{number}", "properties": properties}


@pytest.fixture
def silent(edge: StartEdge) -> StartEdge:
    """Proxies whose Snap does not answer: nothing is delivered."""
    edge.environ["EDGEPROXY_UPSTREAM"] = "http://127.0.0.1:9"
    return edge


def path_of(edge: StartEdge) -> Path:
    return edge.folder / "store" / "edgeproxy.db"


def test_a_store_that_is_well(edge: StartEdge) -> None:
    life = edge.start()
    assert life.post(batch(event(1))).status == 202
    status, found = doctor(edge)
    assert status == 0
    assert {one["state"] for one in found.values()} == {"ok"}
    assert set(found) == {"store.file", "store.room", "store.ledger"}
    status, out, _ = run(edge, "doctor")
    assert status == 0
    assert "store.ledger" in out
    assert "every event is accounted for" in out


def test_a_place_without_a_store(edge: StartEdge) -> None:
    status, found = doctor(edge)
    assert (status, found["store.file"]["state"]) == (0, "warn")
    assert "edgeproxy serve makes it" in found["store.file"]["cure"]


def test_a_store_that_is_damaged_is_brought_back(silent: StartEdge) -> None:
    """Fault row 10: no start over the loss, salvage, and the events wait again."""
    life = silent.start()
    for number in range(40):
        assert life.post(batch(event(number))).status == 202
    life.kill()
    path = path_of(silent)
    db = apsw.Connection(str(path))
    sql = "SELECT max(pageno) FROM dbstat WHERE name = 'outbox' AND pagetype = 'leaf'"
    page = int(db.execute(sql).get)
    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    with db:
        db.execute("INSERT INTO meta VALUES ('a', 'b')")
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    db.close()
    break_page(path, page)
    assert doctor(silent)[1]["store.file"]["state"] == "fail"

    status, _, err = run(silent, "serve")
    aside = last_aside(path)
    assert aside is not None
    assert status == 78
    assert f"edgeproxy doctor --salvage {aside} brings back what can be read" in err
    status, found = doctor(silent)
    assert (status, found["store.file"]["state"]) == (1, "fail")
    assert found["store.damaged"]["state"] == "warn"
    status, _, err = run(silent, "serve")
    assert status == 78
    assert "missing or empty" in err

    status, out, _ = run(silent, "doctor", "--salvage", str(aside), "--json")
    done = json.loads(out)
    assert (status, done["dead"]) == (0, 0)
    assert 36 <= done["pending"] < 40
    status, out, _ = run(silent, "doctor", "--salvage", str(aside))
    assert (status, f"already there: {done['pending']}" in out) == (0, True)
    life = silent.start()
    found = doctor(silent)[1]
    assert f"; {done['pending']} wait, 0 are dead letters" in found["store.ledger"]["text"]
    assert life.post(batch(event(100))).status == 202


def test_a_loss_may_be_accepted(silent: StartEdge) -> None:
    silent.start().stop()
    path_of(silent).unlink()
    assert run(silent, "serve")[0] == 78
    life = silent.start("--accept-loss")
    assert life.post(batch(event(1))).status == 202
    assert life.stop() == 0
    assert silent.start().stop() == 0


def test_what_is_odd_is_said_with_its_cure(silent: StartEdge) -> None:
    life = silent.start(
        EDGEPROXY_STORE__RESERVE_BYTES=str(8 * 2**20), EDGEPROXY_STORE__MAX_BYTES=str(2**50)
    )
    silent.environ["EDGEPROXY_STORE__RESERVE_BYTES"] = str(8 * 2**20)
    silent.environ["EDGEPROXY_STORE__MAX_BYTES"] = str(2**50)
    path_of(silent).chmod(0o644)
    status, found = doctor(silent)
    assert status == 0
    assert {name for name, one in found.items() if one["state"] == "warn"} == {
        "store.mode",
        "store.max_bytes",
        "store.reserve_bytes",
    }
    silent.environ["EDGEPROXY_STORE__RESERVE_BYTES"] = str(2**60)
    assert doctor(silent)[1]["store.room"]["state"] == "fail"
    assert life.stop() == 0
    db = apsw.Connection(str(path_of(silent)))
    db.execute("INSERT INTO ledger VALUES ('shop/pixel', 'accepted', 1)")
    db.close()
    assert doctor(silent)[1]["store.ledger"]["state"] == "fail"


def test_a_file_that_is_no_store(edge: StartEdge) -> None:
    path_of(edge).parent.mkdir()
    path_of(edge).write_bytes(b"these are my notes, keep them " * 200)
    status, found = doctor(edge)
    assert (status, found["store.file"]["state"]) == (1, "fail")


def test_a_log_that_a_reader_keeps_long_is_said(silent: StartEdge) -> None:
    silent.start().stop()
    db = apsw.Connection(str(path_of(silent)))
    db.wal_autocheckpoint(0)
    with db:
        db.execute("INSERT INTO meta VALUES ('big', ?)", ("x" * 70_000_000,))
    assert doctor(silent)[1]["store.log"]["state"] == "warn"
    db.close()


def test_salvage_needs_a_file_and_a_sqlite_store(silent: StartEdge) -> None:
    status, _, err = run(silent, "doctor", "--salvage", "gone.db")
    assert (status, "does not exist" in err) == (2, True)
    silent.start().stop()
    status, _, err = run(silent, "doctor", "--salvage", str(path_of(silent)))
    assert (status, "is the store itself" in err) == (1, True)
    silent.environ["EDGEPROXY_STORE__URL"] = "postgresql://edge@127.0.0.1:9/edge"
    silent.environ["EDGEPROXY_STORE__KEYS_DIR"] = str(silent.folder / "store")
    status, _, err = run(silent, "doctor", "--salvage", str(path_of(silent)))
    assert (status, "must be a SQLite store" in err) == (78, True)
    status, found = doctor(silent)
    assert (status, found["store.ledger"]["state"]) == (1, "fail")


@pytest.mark.slow
def test_a_file_that_may_not_grow_ends_the_process_and_loses_nothing(silent: StartEdge) -> None:
    """Fault row 8: EFBIG; no acknowledgement, exit status 1, and a clean start."""
    silent.wrap = ["bash", "-c", 'ulimit -f 1500; exec "$@"', "-"]
    life = silent.start()
    acknowledged = 0
    while (answer := life.post(batch(*[event(acknowledged + n) for n in range(5)]))).status == 202:
        acknowledged += 5
    assert answer.status == 503
    assert answer.header("Retry-After")
    assert life.process.wait(30) == 1
    assert acknowledged > 0
    silent.wrap = []
    life = silent.start()
    text = until(lambda: doctor(silent)[1]["store.ledger"]["text"], "the ledger is read")
    assert f"; {acknowledged} wait, 0 are dead letters" in text
    assert life.stop() == 0


@pytest.mark.slow
def test_a_store_that_is_full_refuses_and_delivery_makes_room(edge: StartEdge) -> None:
    """Fault rows 6 and 7, from outside."""
    edge.environ["EDGEPROXY_STORE__MAX_BYTES"] = str(4 * 1024 * 1024)
    edge.environ["EDGEPROXY_STORE__RESERVE_BYTES"] = str(8 * 2**20)
    life = edge.start(EDGEPROXY_UPSTREAM="http://127.0.0.1:9")
    sent = 0

    def refused() -> bool:
        nonlocal sent
        answer = life.post(batch(*[event(sent + number) for number in range(5)]))
        sent += 5
        return answer.status == 503 and 30 <= int(answer.header("Retry-After") or 0) <= 120

    until(refused, "views are refused", within_s=60)
    purchase = {"name": "Order Completed", "id": "p", "properties": {"total": 1, "currency": "USD"}}
    assert life.post(batch(purchase)).status == 202
    assert path_of(edge).stat().st_size <= 4 * 1024 * 1024
    assert doctor(edge)[1]["store.room"]["state"] == "warn"
    assert life.stop() == 0
    life = edge.start()
    until(lambda: life.post(batch(event(-1))).status == 202, "views are taken again", within_s=60)
