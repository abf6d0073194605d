"""One proxy, one Snap and one nginx of each kind for all tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge import Life, Snap, StartEdge, running_snap
from tests.nginx.front import KINDS, Front, running_front


@pytest.fixture(scope="session", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Which nginx."""
    return str(request.param)


@pytest.fixture(scope="session")
def far_snap() -> Iterator[Snap]:
    """Our Snap, behind the proxy."""
    with running_snap() as ours:
        yield ours


@pytest.fixture(scope="session")
def proxy(tmp_path_factory: pytest.TempPathFactory, far_snap: Snap) -> Iterator[Life]:
    """The proxy behind nginx."""
    start = StartEdge(tmp_path_factory.mktemp("proxy"), far_snap.url)
    try:
        yield start.start()
    finally:
        start.stop_all()


@pytest.fixture(scope="session")
def front(kind: str, proxy: Life, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """nginx with the shipped file before the proxy."""
    with running_front(kind, tmp_path_factory.mktemp(f"nginx-{kind}"), proxy.port) as ours:
        yield ours


@pytest.fixture
def balanced(kind: str, proxy: Life, tmp_path: Path) -> Iterator[Front]:
    """nginx behind a balancer on loopback, which says in `X-Seen-Address` whom it sees."""
    trust = "set_real_ip_from 127.0.0.0/8; real_ip_header X-Seen-Address; real_ip_recursive on;"
    with running_front(kind, tmp_path, proxy.port, insert=trust) as ours:
        yield ours


@pytest.fixture
def cold(kind: str, proxy: Life, tmp_path: Path) -> Iterator[Front]:
    """nginx with an empty cache."""
    with running_front(kind, tmp_path, proxy.port) as ours:
        yield ours
