"""The command forget: nothing personal as an argument, beside a running server, on record."""

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgeproxy.cli import main
from edgeproxy.event import Person, encode_person
from edgeproxy.keys import load_keys, visitor_name
from edgeproxy.pii import email_sha256, external_id_sha256, phone_sha256
from edgeproxy.store.base import Binding, Item, Store
from edgeproxy.store.office import Change
from tests import canary, postgres
from tests.books import SHOP, Books
from tests.edge import ROOT, Snap, StartEdge, batch, environment, now_ms, purchase
from tests.fakes import event, item

Output = pytest.CaptureFixture[str]
SCID = "11111111-2222-4333-8444-555555555555"
WHO = Person(
    email_sha256=email_sha256(canary.EMAIL),
    phone_sha256=phone_sha256(canary.PHONE, ""),
    external_id_sha256=external_id_sha256("u-1"),
)


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Books:
    made = Books(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    key = load_keys(tmp_path / "keys").visitor
    monkeypatch.setenv("EDGEPROXY_STORE__KEYS_DIR", str(tmp_path / "keys"))
    name_ = visitor_name(key, "default", SCID)
    entries = item(event("a", scid=SCID, who=WHO, source="default"), to=SHOP, visitor=name_).entries
    binding = Binding(visitor=name_, traits=encode_person(WHO))
    made.use(lambda store: store.append([Item(entries, binding)]))
    return made


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def told(capsys: Output, *options: str, status: int = 0) -> Any:
    capsys.readouterr()
    assert main(["forget", *options, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def waiting(books: Books) -> int:
    return books.counts().get("pending", 0)


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--email-stdin", canary.EMAIL),
        ("--phone-stdin", canary.PHONE),
        ("--external-id-stdin", "u-1"),
    ],
)
def test_a_person_who_is_named_over_standard_input_is_erased(
    books: Books, capsys: Output, monkeypatch: pytest.MonkeyPatch, option: str, text: str
) -> None:
    typed(monkeypatch, f"{text}\n")
    receipt = told(capsys, option, "--yes")
    (gone,) = receipt["visitors"]
    assert (gone["waiting"], gone["identity"], gone["source"]) == (1, True, "default")
    assert receipt["by"] == "the command line"
    assert waiting(books) == 0

    async def lines(store: Store) -> list[Change]:
        return list(await store.office.changes())

    (line,) = books.use(lines)
    assert (line.action, line.id) == ("erase", gone["visitor"])
    typed(monkeypatch, f"{text}\n")
    assert told(capsys, option, "--yes")["visitors"] == []


def test_a_look_first_changes_nothing(books: Books, capsys: Output) -> None:
    (held,) = told(capsys, "--scid", SCID, "--dry-run")["visitors"]
    assert (held["waiting_n"], held["identity"]) == (1, {**json.loads(encode_person(WHO))})
    assert main(["forget", "--scid", SCID, "--dry-run"]) == 0
    assert held["visitor"] in capsys.readouterr().out
    assert waiting(books) == 1


def test_people_read_a_table_and_the_receipt(books: Books, capsys: Output) -> None:
    assert main(["forget", "--scid", SCID, "--yes"]) == 0
    out = capsys.readouterr().out
    assert "erased; receipt " in out
    assert "default" in out
    assert main(["forget", "--scid", SCID, "--yes"]) == 0
    assert "nothing was held of this person" in capsys.readouterr().out
    assert main(["forget", "--scid", SCID, "--dry-run"]) == 0
    assert "nothing is held of this person" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--yes",),
        ("--scid", SCID),
        ("--scid", SCID, "--email-stdin", "--yes"),
        ("--email-stdin", "--phone-stdin", "--yes"),
        ("--email", canary.EMAIL, "--yes"),
    ],
)
def test_wrong_usage_erases_nothing(
    books: Books, capsys: Output, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    typed(monkeypatch, f"{canary.EMAIL}\n")
    assert main(["forget", *options]) == 2
    assert waiting(books) == 1


@pytest.mark.parametrize("text", ["", "\n", "no address\n", "x" * 600])
def test_what_is_no_address_is_told_and_not_repeated(
    books: Books, capsys: Output, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    typed(monkeypatch, text)
    assert main(["forget", "--email-stdin", "--yes"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("edgeproxy: ")
    assert "no address" not in said
    assert waiting(books) == 1


def test_another_visitor_key_finds_nobody_and_missing_keys_are_told(
    books: Books, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEPROXY_STORE__KEYS_DIR", str(tmp_path / "elsewhere"))
    assert main(["forget", "--scid", SCID, "--yes"]) == 78
    assert "visitor.key" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_running_server_need_not_stop(tmp_path: Path, snap: Snap, engine: str) -> None:
    """What waits while Snap is away is gone, traces too, and the next event starts anew."""
    schema = postgres.Schema(postgres.shared(), now_ms()) if engine == "postgresql" else None
    environ = {"EDGEPROXY_STORE__URL": schema.url} if schema else {}
    if schema:
        load_keys(tmp_path / "keys")
        environ["EDGEPROXY_STORE__KEYS_DIR"] = str(tmp_path / "keys")
    edge = StartEdge(tmp_path, snap.url, environ)
    snap.sandbox.answer_with(status=503)
    try:
        life = edge.start()
        answer = life.post(purchase())
        assert answer.json()["accepted"] == 1
        receipt = forget(edge, "--email-stdin", "--yes", typed=canary.EMAIL)
        (gone,) = receipt["visitors"]
        assert (gone["waiting"], gone["identity"], gone["source"]) == (1, True, "default")
        again = batch({"id": "later", "name": "page_view"})
        assert life.post(again, cookie=answer.jar).json()["accepted"] == 1
        scid = answer.attributes("_scid").value
        (held,) = forget(edge, "--scid", scid, "--dry-run")["visitors"]
        assert (held["visitor"], held["waiting_n"]) == (gone["visitor"], 1)
        assert held["identity"] == {}
        assert life.stop() == 0
    finally:
        edge.stop_all()
        if schema:
            schema.drop()


def forget(edge: StartEdge, *options: str, typed: str = "") -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "edgeproxy", "forget", *options, "--json"],
        env=environment(edge), cwd=edge.folder, input=typed.encode(), capture_output=True,
        timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_at_a_terminal_the_address_is_asked_for_hidden_and_the_answer_counts(
    books: Books, tmp_path: Path
) -> None:
    assert at_terminal(books, tmp_path, canary.EMAIL, "n")[0] == 1
    assert waiting(books) == 1
    status, said = at_terminal(books, tmp_path, canary.EMAIL, "y")
    assert (status, waiting(books)) == (0, 0)
    assert canary.EMAIL not in said


def at_terminal(books: Books, folder: Path, *answers: str) -> tuple[int, str]:
    """Exit status and all that is seen of `forget --email-stdin` with somebody at the keyboard."""
    main_end, end = pty.openpty()
    command = [sys.executable, "-m", "edgeproxy", "forget", "--email-stdin"]
    process = subprocess.Popen(
        command, stdin=end, stdout=end, stderr=end, start_new_session=True, cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    os.close(end)
    seen = b""
    prompts = [b"email:", b"[y/N]:"]
    while True:
        try:
            seen += os.read(main_end, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if prompts and prompts[0] in seen:
            prompts.pop(0)
            os.write(main_end, answers[len(answers) - len(prompts) - 1].encode() + b"\n")
    os.close(main_end)
    return process.wait(30), seen.decode()
