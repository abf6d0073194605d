"""A proxy that is started on a full volume: what it still does, and what it says (fault row 6).

A volume of one's own takes root; for others these tests are skipped.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge import Snap, StartEdge, batch
from tests.until import until

VOLUME_BYTES = 24 * 2**20
RESERVE_BYTES = 8 * 2**20
NOWHERE = "http://127.0.0.1:9"
CALLS, EVENTS = 12, 25


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A small volume."""
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    size = f"size={VOLUME_BYTES},mode=0700"
    mount = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small volume")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def backlog(volume: Path, edge: StartEdge) -> Path:
    """A store on it with events that Snap has not got yet."""
    edge.environ["EDGEPROXY_STORE__RESERVE_BYTES"] = str(RESERVE_BYTES)
    life = edge.start(EDGEPROXY_UPSTREAM=NOWHERE)
    for call in range(CALLS):
        events = [{"name": "Product Viewed", "id": f"{call}-{n}"} for n in range(EVENTS)]
        assert life.post(batch(*events)).status == 202
    assert life.stop() == 0
    return volume


def fill(volume: Path, left_bytes: int) -> Path:
    """Take the room of a volume, as another program does."""
    found = os.statvfs(volume)
    ballast = volume / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - left_bytes)
    return ballast


def test_with_little_room_it_starts_delivers_and_takes_events_again_later(
    edge: StartEdge, snap: Snap, backlog: Path
) -> None:
    ballast = fill(backlog, left_bytes=320 * 1024)
    life = edge.start(ready="503")
    snap.arrived(CALLS * EVENTS, within_s=60)
    refused = life.post(batch({"name": "Product Viewed"}))
    assert (refused.status, refused.json()["code"]) == (503, "store_full")
    ballast.unlink()
    until(lambda: life.post(batch({"name": "Product Viewed"})).status == 202, "there is room")
    assert life.stop() == 0


def test_without_room_for_anything_it_says_so_in_one_line_and_loses_nothing(
    edge: StartEdge, snap: Snap, backlog: Path
) -> None:
    ballast = fill(backlog, left_bytes=0)
    with pytest.raises(AssertionError, match="volume is full to the last bytes") as found:
        edge.start()
    said = str(found.value)
    assert "free some space and start again: nothing is lost" in said
    assert "Traceback" not in said
    assert edge.lives[-1].process.wait(10) == 1  # not 78: a supervisor is to try again
    ballast.unlink()
    life = edge.start()
    snap.arrived(CALLS * EVENTS, within_s=60)
    assert life.stop() == 0
