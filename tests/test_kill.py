"""kill -9 in the middle of a load: what was acknowledged reaches Snap, and nothing else does."""

import http.client
import os
import signal
import threading

import pytest

from tests.edge import Life, Snap, StartEdge, batch
from tests.until import until

CALLERS = 8
ROUNDS = 3


def post_until_dead(life: Life, name: str, acknowledged: set[str], sent: set[str]) -> None:
    """Post event after event; remember which ones were answered with 202."""
    number = 0
    while True:
        event_id = f"{name}-{number}"
        number += 1
        sent.add(event_id)
        try:
            answer = life.post(batch({"name": "Product Viewed", "id": event_id}))
        except (OSError, http.client.HTTPException):
            return  # killed: an answer that was not seen is no promise
        if answer.status == 202:
            acknowledged.add(event_id)


def killed_in_work(life: Life, name: str, seen: set[str]) -> set[str]:
    """Load a proxy, kill it when 100 more events were acknowledged; what was sent."""
    goal = len(seen) + 100
    sent: set[str] = set()
    callers = [
        threading.Thread(target=post_until_dead, args=(life, f"{name}-{number}", seen, sent))
        for number in range(CALLERS)
    ]
    for caller in callers:
        caller.start()
    until(lambda: len(seen) >= goal, "enough events are acknowledged")
    for line in life.told("listening"):
        os.kill(int(line["pid"]), signal.SIGKILL)
    life.kill()
    for caller in callers:
        caller.join(20)
        assert not caller.is_alive()
    return sent


@pytest.mark.parametrize("workers", [1, 2])
def test_kill_9_under_load_loses_no_acknowledged_event(
    edge: StartEdge, snap: Snap, workers: int
) -> None:
    """Of one process, and of several on one file."""
    edge.environ["WEB_CONCURRENCY"] = str(workers)
    acknowledged: set[str] = set()
    sent: set[str] = set()
    for number in range(ROUNDS):
        sent |= killed_in_work(edge.start(), f"life-{number}", acknowledged)
    edge.start()

    def missing() -> set[str]:
        return acknowledged - {event["client_dedup_id"] for event in snap.events}

    until(lambda: not missing(), "everything acknowledged arrives", within_s=60)
    arrived = [event["client_dedup_id"] for event in snap.events]
    assert len(arrived) == len(set(arrived))  # Snap counts a redelivery once
    assert set(arrived) <= sent
