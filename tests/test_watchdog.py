"""A process that hangs is ended, one that is only slow or was stopped is not (fault 24)."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from edgeproxy.watchdog import notify
from tests.edge import ROOT, Life, StartEdge, batch, environment
from tests.until import until


def child(mode: str, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.watchdog_child", mode, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("mode", ["loop", "writer"])
def test_a_process_that_hangs_is_ended(tmp_path: Path, mode: str) -> None:
    """The event loop blocked; the store's writer blocked while the loop lives."""
    with child(mode, tmp_path) as hung:
        out, _ = hung.communicate(timeout=60)
    assert hung.returncode == 1
    up, line = out.splitlines()
    assert (up, json.loads(line)["event"]) == ("up", "process_hangs")


def test_a_log_that_hangs_does_not_save_the_process(tmp_path: Path) -> None:
    with child("log", tmp_path) as hung:
        assert hung.communicate(timeout=60)[0] == "up\n"
    assert hung.returncode == 1


@pytest.mark.parametrize("mode", ["lives", "starts", "store"])
def test_who_lives_is_left_alone(tmp_path: Path, mode: str) -> None:
    """Also while it takes long to start, and while the store says no to everything."""
    with child(mode, tmp_path) as living:
        assert living.communicate(timeout=60)[0] == "up\n"
    assert living.returncode == 0


def test_who_was_stopped_and_goes_on_is_left_alone(tmp_path: Path) -> None:
    with child("lives", tmp_path) as living:
        assert living.stdout is not None
        assert living.stdout.readline() == "up\n"
        os.kill(living.pid, signal.SIGSTOP)
        subprocess.run(["sleep", "2"], check=True)  # twice as long as a hang may last
        os.kill(living.pid, signal.SIGCONT)
        assert living.communicate(timeout=60)[0] == ""
    assert living.returncode == 0


def test_signs_of_life_go_on_until_the_end_of_the_drain(tmp_path: Path) -> None:
    """To drain may take longer than a hang may: Snap takes the event and says nothing."""
    with deaf() as snap, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(20)
        manager.bind(str(tmp_path / "notify"))
        edge = StartEdge(tmp_path, f"http://127.0.0.1:{snap.getsockname()[1]}")
        environ = {**environment(edge), "NOTIFY_SOCKET": str(tmp_path / "notify")}
        command = [sys.executable, "-m", "tests.beating_child"]
        with (
            (tmp_path / "log").open("wb") as log,
            subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=log, stderr=log) as proxy,
            ExitStack() as stack,
        ):
            stack.callback(proxy.kill)
            assert manager.recv(100) == b"READY=1"
            life = Life(proxy, 0, tmp_path / "log")
            life.port = int(life.told("listening")[0]["url"].rpartition(":")[2])
            assert life.post(batch({"name": "Product Viewed"})).status == 202
            request = stack.enter_context(snap.accept()[0])
            assert request.recv(1)
            heard_out(manager)
            proxy.terminate()
            until(lambda: manager.recv(100) == b"STOPPING=1", "it drains")
            assert {manager.recv(100) for _ in range(20)} == {b"WATCHDOG=1"}
            assert proxy.poll() is None
            request.close()
            assert proxy.wait(30) == 0


def heard_out(manager: socket.socket) -> None:
    """Take what has come: the system keeps about ten words, and the next one would be lost."""
    while select.select([manager], [], [], 0)[0]:
        manager.recv(100)


@contextmanager
def deaf() -> Iterator[socket.socket]:
    """In Snap's place: somebody who listens and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as snap:
        snap.settimeout(20)
        yield snap


@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_is_told(tmp_path: Path, abstract: bool) -> None:
    name = f"edgeproxy-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(5)
        manager.bind("\0" + name if abstract else name)
        assert notify("READY=1", "@" + name if abstract else name)
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", [None, "", "/nowhere/at/all", "@edgeproxy-nobody"])
def test_a_manager_that_is_not_there_is_no_fault(address: str | None) -> None:
    assert not notify("READY=1", address)
