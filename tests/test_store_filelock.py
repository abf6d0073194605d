"""The lock between processes: exclusive, patient to a limit, fair to who waits."""

import subprocess
import sys
import threading
from functools import partial
from mmap import mmap
from pathlib import Path

import pytest

from edgeproxy.store.filelock import FileLock
from tests.until import until


def test_one_holds_it_and_another_gives_up_in_time(tmp_path: Path) -> None:
    one, two = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert one.acquire(0)
    assert not two.acquire(0.01)
    one.release()
    assert two.acquire(0)
    two.close()
    assert one.acquire(0)
    one.close()


def test_whoever_waits_behind_a_waiter_gives_up_in_time_too(tmp_path: Path) -> None:
    holder, second, third = [FileLock(tmp_path / "lock") for _ in range(3)]
    holder.acquire(0)
    waiting = threading.Thread(target=second.acquire, args=(10,))
    waiting.start()
    while third.acquire(0.001):  # until the other one stands in the turnstile
        third.release()
    assert not third.acquire(0.01)
    holder.release()
    waiting.join()
    for lock in (holder, second, third):
        lock.close()


NEVER_REST = """
import sys, time
from mmap import mmap
from pathlib import Path
from edgeproxy.store.filelock import FileLock
lock = FileLock(Path(sys.argv[1]))
with open(sys.argv[2], "r+b") as file:
    board = mmap(file.fileno(), 16)
turns = 0
while not board[0]:
    assert lock.acquire(5)
    time.sleep(0.0005)  # a commit
    turns += 1
    board[8:16] = turns.to_bytes(8, "big")
    lock.release()
"""


def test_a_process_that_never_rests_does_not_starve_the_others(tmp_path: Path) -> None:
    (tmp_path / "board").write_bytes(bytes(16))
    with (tmp_path / "board").open("r+b") as file:
        board = mmap(file.fileno(), 16)

    def turns() -> int:
        return int.from_bytes(board[8:16], "big")

    def went_on(since: int) -> bool:
        return turns() > since

    paths = [str(tmp_path / "lock"), str(tmp_path / "board")]
    child = subprocess.Popen([sys.executable, "-c", NEVER_REST, *paths])
    until(turns, "the other process writes")
    lock = FileLock(tmp_path / "lock")
    waited = []
    for _ in range(20):
        before = turns()
        until(partial(went_on, before), "the other process goes on")
        before = turns()
        assert lock.acquire(20)
        waited.append(turns() - before)
        lock.release()
    board[0] = 1
    assert child.wait(20) == 0
    board.close()
    lock.close()
    assert sorted(waited)[len(waited) // 2] <= 3


def test_a_place_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        FileLock(tmp_path / "nowhere" / "lock")
