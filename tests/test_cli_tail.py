"""What comes in and goes out, as it happens."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgeproxy.cli import main
from edgeproxy.store.base import Gate
from tests.books import SHOP, Books
from tests.edge import ROOT
from tests.until import until

Output = pytest.CaptureFixture[str]
OTHER = "old/pixel"


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Books:
    made = Books(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def pause(books: Books, **gate: Any) -> None:
    books.use(lambda store: store.set_gate(Gate(integration=SHOP, **gate)))


def standing(capsys: Output, *options: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main(["tail", "--no-follow", "--json", *options]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@contextmanager
def following(books: Books, folder: Path) -> Iterator[Path]:
    """A tail in a process of its own; what it writes. It must end by Ctrl-C with 130."""
    out = folder / "tail.out"
    with out.open("wb") as file:
        running = subprocess.Popen(
            [sys.executable, "-u", "-m", "edgeproxy", "tail", "--json"],
            env={**os.environ, **books.environment, "PYTHONPATH": str(ROOT)},
            stdout=file,
            stderr=subprocess.PIPE,
        )
    try:
        yield out
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 130
        assert running.stderr is not None
        assert running.stderr.read().strip() == b""
    finally:
        running.kill()
        running.communicate()


def test_it_begins_with_how_it_stands(books: Books, capsys: Output) -> None:
    books.bury(range(12), "rejected", "no price")
    books.put("x")
    pause(books, state="paused_auth", reason="no token", probe_in_s=60.0)
    *letters, counts, gate = standing(capsys)
    assert [one["id"] for one in letters] == list(range(3, 13))
    assert {one["kind"] for one in letters} == {"dead"}
    assert (letters[0]["event_id"], letters[0]["reason"]) == ("e2", "rejected")
    assert (counts["kind"], counts["accepted"], counts["dead"]) == ("counts", 13, 12)
    assert (counts["waiting"], "delivered" in counts) == (1, False)
    assert (gate["before"], gate["after"], gate["reason"]) == ("open", "paused_auth", "no token")


def test_people_get_sentences(books: Books, capsys: Output) -> None:
    books.bury([1], "rejected", "no price")
    books.bury([2], "expired")
    books.put("x")
    pause(books, state="paused_auth", reason="no token")
    assert main(["tail", "--no-follow"]) == 0
    said = [line.split("  ", 2)[1:] for line in capsys.readouterr().out.splitlines()]
    assert said == [
        [SHOP, "dead letter 1, PAGE_VIEW e1: rejected: no price"],
        [SHOP, "dead letter 2, PAGE_VIEW e2: expired"],
        [SHOP, "3 accepted, 2 dead, 1 waiting, 0 in flight"],
        [SHOP, "gate open → paused_auth: no token"],
    ]


def test_one_integration_can_be_chosen(books: Books, capsys: Output) -> None:
    books.bury([1], "rejected")
    books.put(1, to=OTHER)
    assert {one["integration"] for one in standing(capsys, "--integration", OTHER)} == {OTHER}
    assert main(["tail", "--integration", "old/pixl"]) == 1
    assert "did you mean 'old/pixel'?" in capsys.readouterr().err


def test_it_follows_until_ctrl_c(books: Books, tmp_path: Path) -> None:
    """Each change is one line: accepted, delivered, dead, paused, gone on, a new integration."""
    books.put(1)
    with following(books, tmp_path) as out:

        def lines() -> list[dict[str, Any]]:
            return [json.loads(line) for line in out.read_text().splitlines()]

        def one(kind: str, **fields: Any) -> bool:
            def fits(line: dict[str, Any]) -> bool:
                return all(line.get(name) == value for name, value in fields.items())

            return any(line["kind"] == kind and fits(line) for line in lines())

        until(lambda: one("counts", accepted=1, waiting=1), "it stands")
        books.put(2, 3, 4)
        until(lambda: one("counts", accepted=3, waiting=4), "three came")
        books.settle(2)
        until(lambda: one("counts", delivered=2, waiting=2), "two were delivered")
        books.settle(1, "rejected", "no price")
        until(lambda: one("counts", dead=1, waiting=1), "one died")
        until(lambda: one("dead", id=1, reason="rejected", detail="no price"), "it is named")
        pause(books, state="paused_auth", reason="no token")
        until(lambda: one("gate", before="open", after="paused_auth"), "it paused")
        pause(books)
        until(lambda: one("gate", before="paused_auth", after="open"), "it went on")
        books.put(9, to=OTHER)
        until(lambda: one("counts", integration=OTHER, accepted=1), "another one began")
        assert len([line for line in lines() if line["kind"] == "dead"]) == 1
