"""The locks between processes: exclusive, patient to a limit, fair to who waits, freed by death."""

import subprocess
import sys
import threading
from functools import partial
from mmap import mmap
from pathlib import Path

import pytest

from edgeproxy.store.filelock import FileLock, Presence
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
from edgeproxy.store.filelock import FileLock, Presence
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


HOLD = """
import sys
from pathlib import Path
from edgeproxy.store.filelock import FileLock
assert FileLock(Path(sys.argv[1])).try_acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_the_lock_of_a_process_that_is_killed_is_free_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "edge.db.delivery.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        lock = FileLock(tmp_path / "edge.db.delivery.lock")
        assert not lock.try_acquire()
        child.kill()
    assert lock.try_acquire()
    lock.release()
    lock.release()
    assert lock.try_acquire()
    lock.close()


def test_whoever_comes_first_is_alone_and_the_last_one_left_is_too(tmp_path: Path) -> None:
    first, second, third = [Presence(tmp_path / "open") for _ in range(3)]
    assert first.alone()
    assert not second.alone()
    first.close()
    first.close()
    assert not third.alone()
    second.close()
    assert third.alone()
    third.close()


def test_a_place_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        FileLock(tmp_path / "nowhere" / "lock")
