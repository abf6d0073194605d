"""Dead letters by hand: counted, listed, sent again, deleted; beside a running server too."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from edgeproxy.cli import main
from edgeproxy.cli.dead import in_chunks
from edgeproxy.errors import Failed, StoreBusy
from edgeproxy.settings import Settings
from edgeproxy.store.base import Lease, Store
from edgeproxy.store.sqlite.store import SqliteStore
from tests.books import SHOP, Books
from tests.edge import ROOT, Snap, StartEdge, batch, environment, now_ms
from tests.fakes import event, item, put
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


def told(capsys: Output, *command: str, status: int = 0) -> Any:
    """The JSON of a run."""
    capsys.readouterr()
    assert main(["dead", *command, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def refused(capsys: Output, *command: str, status: int = 1) -> str:
    """What a run that does not succeed says, on standard error alone."""
    capsys.readouterr()
    assert main(["dead", *command]) == status
    output = capsys.readouterr()
    assert output.out == ""
    return output.err


# ls


def test_the_newest_are_listed_and_all_are_counted(books: Books, capsys: Output) -> None:
    books.bury(range(3), "rejected", "Snap's words")
    books.bury(["x"], "expired")
    books.bury(["y"], "rejected", to=OTHER)
    found = told(capsys, "ls", "--limit", "2")
    assert found["total"] == 5
    assert found["reasons"] == [
        {"integration": SHOP, "reason": "expired", "events": 1},
        {"integration": SHOP, "reason": "rejected", "events": 3},
        {"integration": OTHER, "reason": "rejected", "events": 1},
    ]
    newest = [(one["id"], one["event_id"], one["reason"]) for one in found["letters"]]
    assert newest == [(5, "ey", "rejected"), (4, "ex", "expired")]
    one = told(capsys, "ls")["letters"][-1]
    assert (one["event"], one["attempts"], one["detail"]) == ("PAGE_VIEW", 1, "Snap's words")


def test_filters_narrow_list_and_count(books: Books, capsys: Output) -> None:
    books.bury(range(3), "rejected")
    books.bury(["x"], "expired")
    books.bury(["y"], "rejected", to=OTHER)
    assert told(capsys, "ls", "--reason", "expired")["total"] == 1
    assert told(capsys, "ls", "--integration", OTHER)["total"] == 1
    assert told(capsys, "ls", "--integration", SHOP, "--reason", "rejected")["total"] == 3
    assert told(capsys, "ls", "--integration", OTHER, "--reason", "expired")["letters"] == []


def test_more_than_a_page_is_counted(books: Books, capsys: Output) -> None:
    books.bury(range(2003), "rejected")
    found = told(capsys, "ls", "--limit", "1500")
    assert (found["total"], len(found["letters"])) == (2003, 1500)
    assert [one["id"] for one in found["letters"]] == list(range(2003, 503, -1))


def test_people_get_a_table_and_a_summary(books: Books, capsys: Output) -> None:
    books.bury(["x"], "rejected", "price \x1b[31mis missing")
    assert main(["dead", "ls"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["id", "integration", "event", "event", "id", "died", "attempts",
                                "reason", "detail"]  # fmt: skip
    assert lines[1].split()[:4] == ["1", SHOP, "PAGE_VIEW", "ex"]
    assert [line.split() for line in lines[3:]] == [
        ["integration", "reason", "events"],
        [SHOP, "rejected", "1"],
    ]
    assert main(["dead", "ls", "--limit", "0"]) == 0
    assert "PAGE_VIEW" not in capsys.readouterr().out


def test_none_is_said(books: Books, capsys: Output) -> None:
    books.put(1)
    assert main(["dead", "ls"]) == 0
    assert capsys.readouterr().out == "there are no dead letters\n"


def test_an_unknown_integration_is_one_with_a_suggestion(books: Books, capsys: Output) -> None:
    books.bury(["x"], "rejected")
    for command in ("ls", "replay"):
        said = refused(capsys, command, "--integration", "default-5a3e0c1e")
        assert f"did you mean '{SHOP}'?" in said


def test_a_reason_that_does_not_exist_is_wrong_usage(books: Books, capsys: Output) -> None:
    assert "rejected" in refused(capsys, "ls", "--reason", "bored", status=2)


# replay


def test_ids_are_queued_again(books: Books, capsys: Output) -> None:
    books.bury(range(4), "rejected")
    assert told(capsys, "replay", "2", "4", "2") == {
        "asked": 2, "replayed": 2, "superseded": 0, "left": 0,
    }  # fmt: skip
    assert books.counts() == {"pending": 2, "dead_now": 2, "replayed": 2}
    left = told(capsys, "ls")["letters"]
    assert [one["id"] for one in left] == [3, 1]


def test_a_filter_takes_up_to_its_limit_and_says_what_is_left(books: Books, capsys: Output) -> None:
    books.bury(range(250), "rejected")
    books.bury(["x"], "expired")
    assert main(["dead", "replay", "--reason", "rejected", "--limit", "150"]) == 0
    assert capsys.readouterr().out == (
        "150 of 150 dead letters are queued again\n"
        "100 more match; repeat the command, or raise --limit\n"
    )
    assert told(capsys, "replay", "--all")["replayed"] == 101
    assert books.counts() == {"pending": 251, "replayed": 251}


def test_one_integration_can_be_chosen(books: Books, capsys: Output) -> None:
    books.bury([1], "rejected")
    books.bury([1], "rejected", to=OTHER)
    assert told(capsys, "replay", "--integration", OTHER)["replayed"] == 1
    assert books.counts(OTHER) == {"pending": 1, "replayed": 1}
    assert books.counts() == {"dead_now": 1}


def test_what_came_again_meanwhile_is_not_doubled_and_is_counted(
    books: Books, capsys: Output
) -> None:
    books.bury(range(2), "rejected")
    books.put(1)
    assert main(["dead", "replay", "--all"]) == 0
    assert capsys.readouterr().out == (
        "1 of 2 dead letters are queued again\n1 gave way to a later copy of the same event\n"
    )
    assert books.counts() == {"pending": 2, "replayed": 1}


def test_an_id_that_is_not_there_is_one_and_nothing_is_done(books: Books, capsys: Output) -> None:
    books.bury(range(2), "rejected")
    assert refused(capsys, "replay", "1", "7").endswith(
        "there is no dead letter 7; nothing was done\n"
    )
    many = [str(n) for n in range(1, 12)]
    said = refused(capsys, "discard", "--yes", *many)
    assert "there is no dead letter 11, 10, 9, 8, 7 and 4 more" in said
    assert books.counts() == {"dead_now": 2}


def test_none_that_match_is_no_error(books: Books, capsys: Output) -> None:
    books.put(1)
    assert told(capsys, "replay", "--all") == {
        "asked": 0, "replayed": 0, "superseded": 0, "left": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    "command",
    [
        ["replay"],
        ["replay", "1", "--all"],
        ["replay", "1", "--reason", "expired"],
        ["replay", "--limit", "5"],
        ["replay", "0"],
        ["replay", "one"],
        ["discard", "--yes"],
        ["discard", "1"],
    ],
    ids=" ".join,
)
def test_too_little_or_too_much_said_is_wrong_usage(
    books: Books, capsys: Output, command: Sequence[str]
) -> None:
    """A deletion that nobody confirms is one of them."""
    books.bury([1], "rejected")
    refused(capsys, *command, status=2)
    assert books.counts() == {"dead_now": 1}


# discard


def test_a_deletion_is_booked(books: Books, capsys: Output) -> None:
    books.bury(range(3), "expired")
    assert told(capsys, "discard", "--yes", "--reason", "expired", "--limit", "2") == {
        "asked": 2, "discarded": 2, "left": 1,
    }  # fmt: skip
    assert books.counts() == {"dead_now": 1, "discarded": 2}
    assert main(["dead", "discard", "--yes", "--all"]) == 0
    assert capsys.readouterr().out == "1 of 1 dead letters are deleted\n"


def on_terminal(books: Books, typed: bytes, *command: str) -> tuple[int, str]:
    """Exit status and output of a command on a terminal at which something is typed."""
    master, terminal = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "edgeproxy", "dead", *command],
        env={**os.environ, **books.environment, "PYTHONPATH": str(ROOT), "TERM": "dumb"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    os.write(master, typed)
    heard = b""
    while piece := _piece(master):
        heard += piece
    os.close(master)
    return running.wait(20), heard.decode().replace("\r\n", "\n")


def _piece(master: int) -> bytes:
    try:
        return os.read(master, 4096)
    except OSError:  # the other end is closed
        return b""


def test_a_person_is_asked_and_may_say_no(books: Books) -> None:
    books.bury(range(250), "expired")
    status, said = on_terminal(books, b"n\n", "discard", "--all")
    assert status == 1
    assert "Delete 250 dead letters for good?" in said
    assert "nothing was discarded" in said
    assert books.counts() == {"dead_now": 250}
    status, said = on_terminal(books, b"y\n", "discard", "--all")
    assert status == 0
    assert "250 of 250 dead letters are deleted" in said
    assert "100%" in said
    assert books.counts() == {"discarded": 250}


def test_a_store_that_fails_on_the_way_says_how_far_it_came(books: Books) -> None:
    books.bury(range(250), "expired")
    settings = Settings(store_url=f"sqlite://{books.path}")

    def failing(store: Store) -> Callable[[Sequence[int]], Awaitable[int]]:
        async def discard(ids: Sequence[int]) -> int:
            if 1 in ids:
                raise StoreBusy("store_locked", "The store is busy.")
            return await store.discard(ids)

        return discard

    with pytest.raises(Failed, match=r"^200 were discarded, then it failed: The store is busy\.$"):
        in_chunks(settings, range(250, 0, -1), "discarded", failing)
    assert books.counts() == {"dead_now": 50, "discarded": 200}


# Beside a server.


def refuse_two(edge: StartEdge, snap: Snap) -> None:
    """A server with one event delivered and two refused by Snap."""
    snap.sandbox.answer_with(status=400, refuse_events=["b", "c"])
    life = edge.start()
    events = [{"id": name, "name": "page_view"} for name in "abc"]
    assert life.post(batch(*events)).status == 202
    snap.arrived(1)


def run(edge: StartEdge, *command: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "edgeproxy", *command, "--json"],
        env=environment(edge), cwd=edge.folder, capture_output=True, timeout=30, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_dead_letters_are_replayed_while_the_server_runs(edge: StartEdge, snap: Snap) -> None:
    refuse_two(edge, snap)
    until(lambda: run(edge, "dead", "ls")["total"] == 2, "two are dead")
    snap.sandbox.answer_normally()
    assert run(edge, "dead", "replay", "--reason", "rejected")["replayed"] == 2
    assert sorted(one["client_dedup_id"] for one in snap.arrived(3)) == ["a", "b", "c"]

    def settled() -> bool:
        (one,) = run(edge, "status")["integrations"]
        return bool(one["ledger"]["delivered"] == 3 and one["balanced"] and not one["in_flight"])

    until(settled, "the ledger says that all are delivered")


async def test_a_second_store_leaves_the_leases_of_the_first_alone(tmp_path: Path) -> None:
    """A command opens the file, works and closes it: what the server holds stays its own."""
    books = Books(tmp_path)

    async def opened() -> Store:
        return await SqliteStore.open(str(books.path), now_ms=now_ms)

    async def held(store: Store) -> Lease:
        return await store.claim(SHOP, limit=9, max_bytes=10**6, lease_s=60)

    server = await opened()
    try:
        await put(server, *(item(event(n, time_ms=now_ms()), to=SHOP) for n in range(3)))
        lease = await held(server)
        command = await opened()
        assert not await held(command)
        assert await command.discard([1]) == 0
        await command.close()
        assert await server.renew(lease, 60) == 3
        assert await server.settle(lease, delivered=[row.id for row in lease.rows]) == 3
    finally:
        await server.close()
