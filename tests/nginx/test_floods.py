"""One greedy address is refused; all others are served."""

import contextlib
import itertools
import ssl
from collections.abc import Iterable, Mapping

from tests import canary
from tests.edge import HOST, ORIGIN, Answer, batch
from tests.nginx.front import Front, Session
from tests.until import until

MANY = 900
"""Requests after which a flood must have been noticed; nginx ends a connection after 1000."""

BURST = 100
"""Requests that one address may make at once; 50 a second after that."""

OPEN = 50
"""Requests of one address that may be under way."""

VISIT = batch({"name": "page"})
PENDING = f"POST /e HTTP/1.1\r\nHost: {HOST}\r\nOrigin: {ORIGIN}\r\nContent-Length: 9\r\n\r\n"
"""A request whose body does not come."""


def flood(session: Session, headers: Iterable[Mapping[str, str]]) -> tuple[int, Answer]:
    """Ask until it is refused: how often it was not, and the refusal."""
    for passed, one in enumerate(headers):
        answer = session.request("GET", "/s.js", None, one)
        if answer.status == 429:
            return passed, answer
        assert answer.status == 200
    raise AssertionError("the flood was never refused")


def seen(address: str) -> Iterable[Mapping[str, str]]:
    """Headers by which the balancer says whom it sees."""
    return ({"X-Seen-Address": address} for _ in range(MANY))


def test_a_flood_is_refused_and_others_are_served(front: Front) -> None:
    with front.session("127.0.0.3") as greedy:
        _, refused = flood(greedy, ({} for _ in range(MANY)))
        assert front.post(VISIT, source="127.0.0.4").status == 202
    assert refused.json()["code"] == "too_many_requests"
    assert refused.header("content-type") == "application/problem+json"
    assert refused.header("retry-after") == "5"
    assert refused.header("cache-control") == "no-store"

    def forgiven() -> bool:
        return front.post(VISIT, source="127.0.0.3").status == 202

    until(forgiven, "who flooded is served again")


def test_what_is_refused_never_reaches_the_proxy(front: Front) -> None:
    foreign = {"Origin": "https://www.example.org"}
    before = len(front.tap.heads)
    with front.session("127.0.0.8") as greedy:
        answers = (greedy.post(b"{}", headers=foreign).status for _ in range(MANY))
        passed = list(itertools.takewhile(lambda status: status == 403, answers))
    assert BURST <= len(passed) < MANY
    assert len(front.tap.heads) == before + len(passed)


def test_all_addresses_of_one_ipv6_network_share_one_limit(balanced: Front) -> None:
    """Whoever has a /64 has 2^64 addresses; the next /64 is somebody else."""
    with balanced.session() as session:
        hosts = (f"2001:db8:0:a::{number:x}" for number in range(1, MANY))
        flood(session, ({"X-Seen-Address": host} for host in hosts))
        passed, _ = flood(session, seen("2001:db8:0:a:ffff:ffff:ffff:ffff"))
        assert passed < BURST
        passed, _ = flood(session, seen("2001:db8:0:b::1"))
        assert passed >= BURST


def test_ipv4_addresses_count_each_alone(balanced: Front) -> None:
    with balanced.session() as session:
        flood(session, seen(canary.ADDRESS))
        passed, _ = flood(session, seen("203.0.113.78"))
        assert passed >= BURST


def test_open_requests_of_one_address_are_bounded(front: Front) -> None:
    """Some wait for their bodies, the rest is refused at once; somebody else is served."""
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(front.connect(source="127.0.0.5")) for _ in range(OPEN + 5)]
        for one in waiting:
            one.sendall(PENDING.encode())
            one.setblocking(False)
        refused: list[ssl.SSLSocket] = []

        def look() -> bool:
            refused.extend(one for one in waiting if one not in refused and _refused(one))
            return len(refused) == 5

        until(look, "five are refused")
        assert front.post(VISIT, source="127.0.0.6").status == 202
        assert look()


def _refused(connection: ssl.SSLSocket) -> bool:
    with contextlib.suppress(ssl.SSLWantReadError):
        return connection.recv(4096).startswith(b"HTTP/1.1 429 ")
    return False
