"""On one core the store's writer goes before the event loop, and nothing else does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeproxy.priority import NICE
from tests.edge import ROOT, Life, StartEdge, batch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority there")

CHILD = """
import os, sys, threading
from edgeproxy.priority import cores, give_way

def nice():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

def elsewhere():
    found = []
    thread = threading.Thread(target=lambda: found.append(nice()))
    thread.start()
    thread.join()
    return found[0]

go, before = threading.Event(), []
earlier = threading.Thread(target=lambda: (go.wait(), before.append(nice())))
earlier.start()
give_way(int(sys.argv[1]))
go.set()
earlier.join()
print(before[0], nice(), elsewhere(), cores())
"""


def nices(of_cores: int, *wrap: str) -> list[int]:
    """Of a thread that ran before, of the one that gives way, of a later one; then the cores."""
    command = [*wrap, sys.executable, "-c", CHILD, str(of_cores)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    printed = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    return [int(word) for word in printed.split()]


def one_core() -> list[str]:
    """The words before a command that keep it on one core."""
    return ["taskset", "-c", str(min(os.sched_getaffinity(0)))]


def test_on_one_core_those_that_ran_before_go_first() -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert nices(1)[:3] == [own, own + NICE, own + NICE]


@pytest.mark.parametrize("cores", [0, 2])
def test_on_several_cores_and_on_unknown_ones_nobody_gives_way(cores: int) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert nices(cores)[:3] == [own] * 3


def test_the_cores_are_those_that_the_process_may_use() -> None:
    assert nices(1)[3] == len(os.sched_getaffinity(0))
    assert nices(1, *one_core())[3] == 1


def threads(life: Life) -> dict[int, int]:
    """The nice value of each thread of a proxy, and under its pid that of the event loop."""
    found = Path(f"/proc/{life.process.pid}/task").glob("*/stat")
    stats = {int(path.parent.name): path.read_text() for path in found}
    return {tid: int(stat.rpartition(")")[2].split()[16]) for tid, stat in stats.items()}


def test_the_loop_of_a_proxy_on_one_core_gives_way_and_serves(edge: StartEdge) -> None:
    edge.wrap = one_core()
    life = edge.start()
    assert life.post(batch({"name": "page", "id": "one"})).status == 202
    own, nice = os.getpriority(os.PRIO_PROCESS, 0), threads(life)
    assert nice[life.process.pid] == own + NICE
    assert list(nice.values()).count(own) > 1  # the writer, and the watchdog, which hardly runs


def test_the_loop_of_a_proxy_keeps_its_place_where_there_are_several_cores(
    edge: StartEdge,
) -> None:
    life = edge.start()
    own, gives = os.getpriority(os.PRIO_PROCESS, 0), len(os.sched_getaffinity(0)) == 1
    assert threads(life)[life.process.pid] == own + NICE * gives
