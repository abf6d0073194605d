"""SIGTERM while a foreign program keeps the database locked: it ends soon, and loses nothing.

A supervisor kills what does not end, with SIGKILL after thirty seconds.
"""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import apsw
import pytest

from tests.edge import Life, Snap, StartEdge, batch
from tests.proxy import Proxy, proxy_thread
from tests.until import until

ENDS_S = 15.0
LATENCY_S = 1.0


@pytest.fixture
def line(edge: StartEdge) -> Iterator[Proxy]:
    """A slow way to Snap, so that an answer is under way when the lock is taken."""
    host, _, port = edge.upstream.rpartition("/")[2].partition(":")
    with proxy_thread(host, int(port)) as proxy:
        edge.upstream = f"http://127.0.0.1:{proxy.port}"
        yield proxy


@contextmanager
def locked(edge: StartEdge) -> Iterator[None]:
    """A foreign write transaction for the length of the block."""
    db = apsw.Connection(f"{edge.folder}/store/edgeproxy.db")
    with closing(db):
        db.set_busy_timeout(5000)
        db.execute("BEGIN IMMEDIATE")
        yield


def knock(life: Life, over: threading.Event, said: list[int]) -> None:
    """Post until told to stop."""
    while not over.is_set():
        try:
            said.append(life.post(batch({"name": "Product Viewed"})).status)
        except OSError:
            return


def test_sigterm_ends_it_soon_and_what_was_acknowledged_arrives(
    edge: StartEdge, snap: Snap, line: Proxy
) -> None:
    life = edge.start()
    line.faults.latency_s = LATENCY_S
    sent = [f"held-{number}" for number in range(20)]
    assert life.post(batch(*[{"name": "Product Viewed", "id": one} for one in sent])).status == 202
    snap.arrived(len(sent))
    over, said = threading.Event(), list[int]()
    with locked(edge):
        caller = threading.Thread(target=knock, args=(life, over, said))
        caller.start()
        assert life.stop(within_s=ENDS_S) == 0
        over.set()
        caller.join(20)
    assert set(said) <= {503}
    line.faults.latency_s = 0.0
    life = edge.start()
    until(lambda: _is_settled(edge), "what was not booked is sent again and booked")
    assert set(snap.sandbox.ids) == set(sent)
    assert life.stop() == 0


def _is_settled(edge: StartEdge) -> bool:
    with closing(apsw.Connection(f"{edge.folder}/store/edgeproxy.db")) as db:
        return bool(db.execute("SELECT count(*) FROM outbox").get == 0)
