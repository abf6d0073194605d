"""The lock between processes: exclusive, patient to a limit, fair to who waits."""

import threading
import time
from pathlib import Path

import pytest

from edgeproxy.store.filelock import FileLock


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


def test_one_that_never_rests_does_not_starve_the_others(tmp_path: Path) -> None:
    busy, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    turns, stop = [0], threading.Event()

    def never_rest() -> None:
        while not stop.is_set():
            assert busy.acquire(5)
            time.sleep(0.000_5)  # a commit
            turns[0] += 1
            busy.release()

    thread = threading.Thread(target=never_rest)
    thread.start()
    waited = []
    for _ in range(30):
        before = turns[0]
        assert other.acquire(5)
        waited.append(turns[0] - before)
        other.release()
    stop.set()
    thread.join()
    busy.close()
    other.close()
    assert sorted(waited)[len(waited) // 2] <= 5


def test_a_place_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        FileLock(tmp_path / "nowhere" / "lock")
