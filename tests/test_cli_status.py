"""What stands where: the queue, the gate and the ledger, for people and for machines."""

import json
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from edgeproxy.cli import main
from edgeproxy.health.problems import CURES
from edgeproxy.outcome import GateState
from edgeproxy.roster.records import KeptIntegration
from edgeproxy.store.base import Gate
from tests.books import SHOP, Books

Output = pytest.CaptureFixture[str]
OTHER = "old/pixel"


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Books:
    made = Books(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def shown(capsys: Output, status: int = 0) -> dict[str, Any]:
    """The JSON of a run, by integration; `""` is the whole."""
    capsys.readouterr()
    assert main(["status", "--json"]) == status
    told = json.loads(capsys.readouterr().out)
    return {"": told, **{one["integration"]: one for one in told["integrations"]}}


def close(books: Books, state: GateState, reason: str = "why") -> None:
    gate = Gate(integration=SHOP, state=state, reason=reason, probe_in_s=60, backoff_s=60)
    books.use(lambda store: store.set_gate(gate))


def test_every_number_is_told(books: Books, capsys: Output) -> None:
    books.put(*range(5))
    books.settle(2)
    books.settle(1, "rejected")
    books.use(lambda store: store.claim(SHOP, limit=1, max_bytes=10**6, lease_s=60))
    told = shown(capsys)
    assert told[""]["balanced"] is True
    one = told[SHOP]
    assert (one["waiting"], one["in_flight"], one["dead"]) == (1, 1, 1)
    assert one["oldest_s"] > 0
    assert (one["gate"], one["configured"], one["balanced"]) == ("open", True, True)
    numbers = {name: n for name, n in one["ledger"].items() if n}
    assert numbers == {"accepted": 5, "delivered": 2, "dead": 1}


def test_an_integration_without_a_row_is_shown(books: Books, capsys: Output) -> None:
    books.use(lambda store: store.check())
    one = shown(capsys)[SHOP]
    assert (one["waiting"], one["balanced"], one["gate"]) == (0, True, "open")


def test_people_get_a_line_for_each_integration(books: Books, capsys: Output) -> None:
    books.put(1, 2)
    assert main(["status"]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["integration", "gate", "waiting"]
    assert line.split()[:4] == [SHOP, "open", "2", "0"]
    assert line.split()[-1] == "balanced"


@pytest.mark.parametrize("state", sorted(set(CURES) - {"open"}))
def test_a_closed_gate_is_told_with_its_reason_and_what_helps(
    books: Books, capsys: Output, state: GateState
) -> None:
    books.put(1)
    close(books, state, "Snap does not accept the access token")
    assert main(["status"]) == 0
    told = capsys.readouterr().out
    assert f"{SHOP} is {state} since 20" in told
    assert "Z: Snap does not accept the access token\n" in told
    assert CURES[state] in told
    one = shown(capsys)[SHOP]
    assert (one["gate"], one["cure"]) == (state, CURES[state])
    assert (one["next_probe_s"] is None) == (state == "paused_manual")


def test_every_gate_has_a_cure() -> None:
    assert set(CURES) == set(GateState.__args__)  # type: ignore[attr-defined]


def test_an_integration_that_is_gone_is_told_while_events_wait(
    books: Books, capsys: Output
) -> None:
    books.put(1, to=OTHER)
    assert main(["status"]) == 0
    told = capsys.readouterr().out
    assert f"{OTHER}: it is not in the configuration" in told
    books.settle(1, to=OTHER)
    assert main(["status"]) == 0
    told = capsys.readouterr().out
    assert "not configured" in told
    assert "is not in the configuration" not in told


def test_one_that_is_switched_off_is_told(
    books: Books, capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books.put(1)
    for name in ("ORIGIN", "PIXEL_ID", "ACCESS_TOKEN"):
        monkeypatch.delenv(f"EDGEPROXY_{name}")
    (tmp_path / "edgeproxy.toml").write_text(
        '[[sources]]\nid = "default"\norigins = ["https://www.example.com"]\n'
        '[[sources.integrations]]\nvendor = "snapchat"\nenabled = false\naccess_token = "t"\n'
        'pixel_id = "5a3e0c1d-7b2f-4c8e-9a6b-0d1e2f3a4b5c"\n'
    )
    assert main(["status"]) == 0
    assert "switched off" in capsys.readouterr().out


def test_a_ledger_that_does_not_add_up_is_one(books: Books, capsys: Output) -> None:
    books.put(1, 2)
    db = apsw.Connection(str(books.path))
    db.execute("UPDATE ledger SET n = n + 1 WHERE kind = 'accepted'")
    db.close()
    assert main(["status"]) == 1
    told = capsys.readouterr()
    assert "WRONG" in told.out
    assert told.err == f"edgeproxy: the ledger of {SHOP} does not add up\n"
    assert shown(capsys, status=1)[""]["balanced"] is False


def test_no_store_yet_is_one_line_and_makes_none(books: Books, capsys: Output) -> None:
    for command in (["status"], ["tail"], ["dead", "ls"], ["dead", "replay", "--all"]):
        assert main(command) == 1
        told = capsys.readouterr()
        assert (told.out, told.err.count("\n")) == ("", 1)
        assert f"there is no store at {books.path} yet" in told.err
    assert not books.path.exists()


def test_a_file_that_is_no_store_is_bad_configuration(books: Books, capsys: Output) -> None:
    books.path.write_bytes(b"this is no database" * 100)
    assert main(["status"]) == 78
    assert "is no SQLite database" in capsys.readouterr().err


def test_a_folder_in_the_way_is_bad_configuration(books: Books, capsys: Output) -> None:
    books.path.mkdir()
    assert main(["status"]) == 78
    assert "cannot be read" in capsys.readouterr().err


def test_a_store_in_no_folder_is_no_store(
    books: Books, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    (books.path.parent / "file").write_text("")
    monkeypatch.setenv("EDGEPROXY_STORE__URL", f"sqlite://{books.path.parent}/file/edge.db")
    assert main(["status"]) == 1
    assert "there is no store" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("step", "status", "said"), [(-1, 1, "brings it up to date"), (1, 78, "use the newer one")]
)
def test_another_schema_is_not_read(
    books: Books, capsys: Output, step: int, status: int, said: str
) -> None:
    books.put(1)
    db = apsw.Connection(str(books.path))
    db.execute(f"PRAGMA user_version = {int(db.pragma('user_version')) + step}")
    db.close()
    assert main(["status"]) == status
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_store_that_is_locked_for_long_is_one_line(books: Books, capsys: Output) -> None:
    books.put(1)
    db = apsw.Connection(str(books.path))
    for sql in ("PRAGMA locking_mode = EXCLUSIVE", "UPDATE meta SET value = value"):
        db.execute(sql).fetchall()
    assert main(["status"]) == 1
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert "Another process may hold it; try again." in told.err
    db.close()


def test_integrations_that_were_made_at_run_time_are_no_strangers(
    books: Books, capsys: Output
) -> None:
    document = {"source_id": "default", "config": {"pixel_id": "p"}, "enabled": False}
    body = msgspec.json.encode(KeptIntegration(document=document))
    books.use(lambda store: store.office.put("integration", "made", body))
    one = shown(capsys)["made"]
    assert (one["configured"], one["enabled"]) == (True, False)
