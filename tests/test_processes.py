"""A parent and its children: started one then all, replaced when they die, ended together."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.edge import ROOT
from tests.until import until


class Group:
    """A parent under test and what its processes said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parent: subprocess.Popen[bytes] | None = None

    def start(self, count: int, mode: str) -> "subprocess.Popen[bytes]":
        with (self.folder / "out").open("wb") as out:
            self.parent = subprocess.Popen(
                [sys.executable, "-m", "tests.worker_child", str(count), mode, str(self.folder)],
                cwd=ROOT,
                stdout=out,
            )
        return self.parent

    def said(self, event: str) -> list[dict[str, Any]]:
        lines = (self.folder / "out").read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["event"] == event]

    def begun(self, count: int) -> list[int]:
        """Wait for so many starts; their pids."""
        until(lambda: len(self.said("began")) >= count, f"{count} children begin")
        return [line["pid"] for line in self.said("began")]


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    made = Group(tmp_path)
    yield made
    if made.parent is not None:
        pids = [line["pid"] for line in made.said("began")]
        if made.parent.poll() is None:
            made.parent.kill()
            made.parent.wait()
        for pid in filter(lives, pids):
            os.kill(pid, signal.SIGKILL)


def lives(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_all_and_then_the_parent(group: Group, number: int, status: int) -> None:
    parent = group.start(3, "works")
    pids = group.begun(3)
    parent.send_signal(number)
    assert parent.wait(30) == status
    assert sorted(line["number"] for line in group.said("ended")) == [1, 2, 3]
    assert len(group.said("stopping")) == 1
    assert not any(map(lives, pids))


def test_the_first_is_alone_until_it_is_ready(group: Group) -> None:
    """What a first start makes must be there before a second process looks for it."""
    parent = group.start(3, "config")
    assert parent.wait(30) == 78
    assert [line["number"] for line in group.said("began")] == [1]


def test_who_dies_is_replaced(group: Group) -> None:
    parent = group.start(2, "works")
    first, _ = group.begun(2)
    os.kill(first, signal.SIGKILL)
    group.begun(3)
    assert [line["number"] for line in group.said("began")] == [1, 2, 1]
    [died] = group.said("worker_died")
    assert (died["worker"], died["status"], died["restart_in_s"]) == (1, -9, 0.5)
    parent.terminate()
    assert parent.wait(30) == 0


def test_who_fails_at_its_start_is_started_more_and_more_slowly(group: Group) -> None:
    parent = group.start(1, "fails")
    until(lambda: len(group.said("worker_died")) >= 3, "it failed three times")
    waits = [line["restart_in_s"] for line in group.said("worker_died")][:3]
    assert waits == [0.5, 1.0, 2.0]
    parent.terminate()
    assert parent.wait(30) == 0


def test_a_start_that_fails_once_keeps_nobody_from_work(group: Group) -> None:
    parent = group.start(2, "fails once")
    group.begun(4)
    assert [line["number"] for line in group.said("began")] == [1, 1, 2, 2]
    parent.terminate()
    assert parent.wait(30) == 0


def test_who_gives_no_sign_of_life_is_killed_and_replaced(group: Group) -> None:
    """A stopped process cannot end itself, and it may hold a lock that others wait for."""
    parent = group.start(2, "hangs once")
    hung = group.begun(3)[1]
    [killed] = group.said("worker_killed")
    assert (killed["worker"], killed["at_end"]) == (2, False)
    assert not lives(hung)
    parent.terminate()
    assert parent.wait(30) == 0


def test_who_does_not_end_in_time_is_killed(group: Group) -> None:
    parent = group.start(2, "stubborn")
    pids = group.begun(2)
    parent.terminate()
    assert parent.wait(30) == 1
    assert {line["at_end"] for line in group.said("worker_killed")} == {True}
    assert not any(map(lives, pids))


def test_a_pause_of_the_whole_group_kills_nobody(group: Group) -> None:
    parent = group.start(2, "works")
    everybody = [parent.pid, *group.begun(2)]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    with subprocess.Popen(["sleep", "2"]) as nap:  # longer than a child may be silent
        nap.wait()
    for pid in everybody:
        os.kill(pid, signal.SIGCONT)
    parent.terminate()
    assert parent.wait(30) == 0
    assert group.said("worker_killed") == []
