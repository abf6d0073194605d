"""When the disk is full enough to refuse events."""

import os
from pathlib import Path

import pytest

from edgeproxy.store.space import Limits, default_limits, has_room

MIB = 1024 * 1024


def test_the_limits_follow_the_volume(tmp_path: Path) -> None:
    volume = os.statvfs(tmp_path)
    limits = default_limits(tmp_path, used_bytes=10 * MIB)
    assert 64 * MIB <= limits.reserve_bytes <= 256 * MIB
    assert 10 * MIB <= limits.max_bytes <= 4096 * MIB
    assert limits.max_bytes <= 10 * MIB + volume.f_blocks * volume.f_frsize // 2


@pytest.mark.parametrize(
    ("max_bytes", "reserve_bytes", "room"),
    [(1001, 0, True), (1000, 0, False), (1001, 2**60, False)],
)
def test_both_bounds_count(tmp_path: Path, max_bytes: int, reserve_bytes: int, room: bool) -> None:
    file = tmp_path / "edge.db"
    file.touch()
    limits = Limits(max_bytes=max_bytes, reserve_bytes=reserve_bytes)
    assert has_room(limits, file, used_bytes=1000) is room


def test_a_file_that_was_deleted_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        has_room(Limits(max_bytes=1, reserve_bytes=0), tmp_path / "gone.db", used_bytes=0)
