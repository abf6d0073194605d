"""Fixtures for tests from outside, and the search for canaries when the run is over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import canary
from tests.edge import Snap, StartEdge, running_snap


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop implementation."""
    return "asyncio"


@pytest.fixture
def snap() -> Iterator[Snap]:
    """Our Snap."""
    with running_snap() as ours:
        yield ours


@pytest.fixture
def edge(tmp_path: Path, snap: Snap) -> Iterator[StartEdge]:
    """Starts proxies that deliver to `snap`."""
    start = StartEdge(tmp_path, snap.url)
    try:
        yield start
    finally:
        start.stop_all()


@pytest.fixture(scope="session", autouse=True)
def nothing_leaks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No file that the run wrote (logs, databases, keys) holds what was sent in the clear."""
    yield
    written = tmp_path_factory.getbasetemp().rglob("*")
    found = list(canary.leaks(written))
    assert not found, "\n".join(found)
