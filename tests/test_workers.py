"""Several processes on one store: who serves, who delivers, who takes over."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.edge import ROOT, Life, Snap, StartEdge, batch, environment
from tests.postgres import free_port
from tests.until import until


def post(life: Life, *ids: str) -> None:
    """Events with these ids, each acknowledged."""
    for one in ids:
        answer = life.post(batch({"name": "page", "id": one}))
        assert answer.status == 202, answer.body
        assert answer.json()["accepted"] == 1


def names(word: str, count: int) -> list[str]:
    return [f"{word}-{number}" for number in range(count)]


def arrived(snap: Snap, ids: list[str]) -> None:
    """Wait until all of them were accepted, each sent once and no other."""
    until(lambda: len(snap.events) >= len(ids), f"{len(ids)} events arrive", within_s=30)
    assert {one: times for one, (times, _) in snap.sandbox.ids.items()} == dict.fromkeys(ids, 1)


def group(edge: StartEdge, count: int, **more: str) -> tuple[Life, list[int]]:
    """A proxy of so many processes, and the pids of those that serve."""
    life = edge.start(WEB_CONCURRENCY=str(count), **more)
    until(lambda: len(life.told("listening")) == count, "all processes serve")
    return life, [line["pid"] for line in life.told("listening")]


def deliverer(life: Life, pids: list[int]) -> int:
    """The process that delivers, which is the first."""
    until(lambda: len(life.told("delivery_elsewhere")) == len(pids) - 1, "the others wait")
    return pids[0]


def lives(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pending(edge: StartEdge, leased: str = "") -> int:
    """Rows in the store of a proxy that has ended."""
    path = edge.settings()["EDGEPROXY_STORE__URL"].removeprefix("sqlite://")
    db = apsw.Connection(path)
    try:
        found: Any = db.execute(f"SELECT count(*) FROM outbox {leased}").get  # noqa: S608
    finally:
        db.close()
    return int(found)


def test_three_processes_serve_and_one_sends(edge: StartEdge, snap: Snap) -> None:
    life, pids = group(edge, 3)
    assert len(set(pids)) == 3
    ids = names("event", 30)
    post(life, *ids)
    arrived(snap, ids)
    assert life.stop() == 0
    assert not any(map(lives, pids))
    stopped = life.told("stopped")
    assert sum(line["accepted"] for line in stopped) == 30
    assert len(stopped) == 3


def test_who_dies_is_replaced_and_its_work_goes_on(edge: StartEdge, snap: Snap) -> None:
    """What it held is sent again at once, not when its lease is over."""
    snap.sandbox.answer_with(delay_ms=60_000)
    life, pids = group(edge, 2)
    sender = deliverer(life, pids)
    post(life, "held")
    until(lambda: snap.sandbox.requests, "it is being sent")
    snap.sandbox.answer_normally()
    os.kill(sender, signal.SIGKILL)
    until(lambda: snap.sandbox.ids["held"] == [2, 1], "what was held arrives again")
    post(life, "later")
    until(lambda: "later" in snap.sandbox.ids, "delivery goes on")
    until(lambda: len(life.told("listening")) == 3, "the dead one is replaced")
    [died] = life.told("worker_died")
    assert (died["pid"], died["status"]) == (sender, -9)
    assert life.stop() == 0


def test_when_the_one_that_sends_is_killed_another_proxy_goes_on(
    edge: StartEdge, snap: Snap
) -> None:
    snap.sandbox.answer_with(delay_ms=60_000)
    one, two = edge.start(), edge.start()
    until(lambda: two.told("delivery_elsewhere"), "the second one waits")
    post(two, "held")
    until(lambda: snap.sandbox.requests, "it is being sent")
    snap.sandbox.answer_normally()
    one.kill()
    until(lambda: snap.sandbox.ids["held"] == [2, 1], "what was held arrives again")
    assert two.told("delivery_taken_over")
    [recovered] = two.told("leases_recovered")
    assert recovered["events"] == 1


def test_kill_9_of_the_parent_ends_the_others_and_frees_the_port(edge: StartEdge) -> None:
    life, pids = group(edge, 2, EDGEPROXY_SERVER__PORT=str(free_port()))
    life.kill()
    until(lambda: not any(map(lives, pids)), "the orphans end")
    assert len(life.told("stopped")) == 2
    edge.start("--workers", "2", "--port", str(life.port))


def test_ctrl_c_ends_a_group_as_it_ends_one(edge: StartEdge) -> None:
    life, pids = group(edge, 2)
    for pid in (life.process.pid, *pids):  # a terminal tells the whole group
        os.kill(pid, signal.SIGINT)
    assert life.process.wait(30) == 130
    assert not any(map(lives, pids))


def test_a_group_that_cannot_start_says_so_once_and_ends(edge: StartEdge) -> None:
    (edge.folder / "store" / "edgeproxy.db").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "edgeproxy", "serve", "--workers", "3"],
        env=environment(edge),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 78
    assert done.stderr.count("is a folder") == 1
    assert "Traceback" not in done.stderr


def test_two_proxies_on_one_store_send_each_event_once(edge: StartEdge, snap: Snap) -> None:
    """Fault 11: both take events, one sends; when it ends, the other one sends."""
    one, two = edge.start(), edge.start()
    until(lambda: two.told("delivery_elsewhere"), "the second one waits")
    ids = names("event", 20)
    for number, name in enumerate(ids):
        post((one, two)[number % 2], name)
    arrived(snap, ids)
    assert one.stop() == 0
    post(two, "last")
    arrived(snap, [*ids, "last"])
    assert two.told("delivery_taken_over")


def test_one_process_takes_and_another_sends(edge: StartEdge, snap: Snap) -> None:
    taking = edge.start("--role", "ingest")
    post(taking, "first")
    sending = edge.start("--role", "deliver")
    post(taking, "second")
    arrived(snap, ["first", "second"])
    assert taking.told("snap_answered") == []
    assert [one.told("listening")[0]["role"] for one in (taking, sending)] == ["ingest", "deliver"]
    assert (sending.get("/healthz").status, sending.get("/readyz").status) == (200, 200)
    for path in ("/e", "/s.js", "/consent"):
        assert sending.get(path).status == 404
    for life in (taking, sending):
        assert life.stop() == 0


def test_what_nobody_may_send_waits(edge: StartEdge, snap: Snap) -> None:
    life = edge.start(EDGEPROXY_SERVER__ROLE="ingest")
    post(life, "waits")
    assert life.stop() == 0
    assert (pending(edge), snap.sandbox.attempts) == (1, 0)
    edge.start()
    arrived(snap, ["waits"])


@contextmanager
def sender(edge: StartEdge, name: str) -> Iterator[Life]:
    """A process that delivers with short leases, whoever else does."""
    log = edge.folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.deliver_child"],
            cwd=ROOT,
            stdout=out,
            stderr=out,
            env=environment(edge),
        )
    life = Life(process, 0, log)
    try:
        until(lambda: life.told("listening"), "it delivers")
        yield life
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_who_is_stopped_beyond_its_lease_books_nothing(edge: StartEdge, snap: Snap) -> None:
    """Fault 19: another one sends, and it alone may say what became of the event."""
    life = edge.start("--role", "ingest")
    snap.sandbox.answer_with(times=2, delay_ms=5_000)  # so long the slow one may take to look
    with sender(edge, "slow") as slow:
        post(life, "event")
        until(lambda: snap.sandbox.requests, "the slow one sends it")
        os.kill(slow.process.pid, signal.SIGSTOP)
        with sender(edge, "quick") as quick:
            until(lambda: len(snap.sandbox.requests) == 2, "the quick one sends it, too")
            os.kill(slow.process.pid, signal.SIGCONT)
            until(lambda: fenced(slow), "the slow one finds that it may not book")
            assert not quick.told("snap_answered")
            post(life, "next")
            until(lambda: "next" in snap.sandbox.ids, "both go on working")
            assert (slow.stop(), quick.stop()) == (0, 0)
            assert not fenced(quick)
    assert snap.sandbox.ids == {"event": [2, 1], "next": [1, 1]}
    assert life.stop() == 0
    assert pending(edge) == 0
    assert booked(edge) == {"accepted": 2, "delivered": 2}


def fenced(life: Life) -> bool:
    """Whether it found that rows were not its own any more."""
    return bool(life.told("rows_gone") or life.told("lease_lost"))


def booked(edge: StartEdge) -> dict[str, int]:
    """The ledger of a proxy that has ended."""
    path = edge.settings()["EDGEPROXY_STORE__URL"].removeprefix("sqlite://")
    db = apsw.Connection(path)
    try:
        found: Any = db.execute("SELECT kind, sum(n) FROM ledger GROUP BY kind").fetchall()
    finally:
        db.close()
    return {kind: n for kind, n in found if n}


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_under_load_loses_nothing_and_leaves_no_lease(
    edge: StartEdge, snap: Snap, workers: int
) -> None:
    """Fault 23: with callers who never finish, and a Snap that does not answer."""
    snap.sandbox.answer_with(delay_ms=60_000)
    life, _ = group(edge, workers)
    acknowledged: set[str] = set()
    over = threading.Event()
    callers = [
        threading.Thread(target=load, args=(life, f"caller-{n}", acknowledged, over))
        for n in range(4)
    ]
    for caller in callers:
        caller.start()
    try:
        until(lambda: len(acknowledged) > 60 and snap.sandbox.requests, "it is under load")
        with stuck(life):
            assert life.stop(30) == 0
    finally:
        over.set()
        for caller in callers:
            caller.join(20)
    assert len(life.told("stopped")) == workers
    assert pending(edge, "WHERE lease IS NOT NULL") == 0
    snap.sandbox.answer_normally()
    edge.start()

    def missing() -> set[str]:
        return acknowledged - {event["client_dedup_id"] for event in snap.events}

    until(lambda: not missing(), "all that was acknowledged arrives", within_s=30)


def load(life: Life, name: str, acknowledged: set[str], over: threading.Event) -> None:
    """Post until told to stop; remember what was acknowledged."""
    number = 0
    while not over.is_set():
        number += 1
        event_id = f"{name}-{number}"
        try:
            answer = life.post(batch({"name": "page", "id": event_id}))
        except (OSError, http.client.HTTPException):
            return  # an answer that was not seen whole is no promise
        if answer.status == 202:
            acknowledged.add(event_id)


@contextmanager
def stuck(life: Life) -> Iterator[None]:
    """Callers who never finish: half a header, half a body."""
    head = b"POST /e HTTP/1.1\r\nHost: edge.example.com\r\n"
    said = (head, head + b"Content-Length: 10\r\n\r\n{")
    held = [socket.create_connection(("127.0.0.1", life.port)) for _ in said]
    for one, what in zip(held, said, strict=True):
        one.sendall(what)
    try:
        yield
    finally:
        for one in held:
            one.close()
