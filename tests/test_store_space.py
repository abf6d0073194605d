"""When the disk is full enough to refuse events."""

import os
from pathlib import Path

import pytest

from edgeproxy.store.space import Level, Limits, Wishes, level, limits

MIB = 1024 * 1024


def test_the_limits_follow_the_volume(tmp_path: Path) -> None:
    volume = os.statvfs(tmp_path)
    found = limits(tmp_path, 10 * MIB, Wishes())
    assert 64 * MIB <= found.reserve_bytes <= 256 * MIB
    assert 10 * MIB <= found.max_bytes <= 4096 * MIB
    assert found.max_bytes <= 10 * MIB + volume.f_blocks * volume.f_frsize // 2


def test_the_limits_are_what_is_wished(tmp_path: Path) -> None:
    found = limits(tmp_path, 10 * MIB, Wishes(max_bytes=5 * MIB, reserve_bytes=0))
    assert found == Limits(max_bytes=5 * MIB, reserve_bytes=0)


@pytest.mark.parametrize(
    ("used_bytes", "expected"),
    [
        (0, Level.PLENTY),
        (699, Level.PLENTY),
        (700, Level.WARN),
        (849, Level.WARN),
        (850, Level.SCARCE),
        (949, Level.SCARCE),
        (950, Level.FULL),
        (5000, Level.FULL),
    ],
)
def test_the_levels(tmp_path: Path, used_bytes: int, expected: Level) -> None:
    bounds = Limits(max_bytes=1000, reserve_bytes=0)
    assert level(bounds, tmp_path, used_bytes) is expected


def test_a_volume_without_the_reserve_is_full_unless_the_file_has_free_pages(
    tmp_path: Path,
) -> None:
    bounds = Limits(max_bytes=1000, reserve_bytes=2**60)
    assert level(bounds, tmp_path, 0) is Level.FULL
    assert level(bounds, tmp_path, 0, spare_bytes=2**60) is Level.PLENTY


def test_a_file_that_was_deleted_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        level(Limits(max_bytes=1, reserve_bytes=0), tmp_path / "gone.db", 0)
