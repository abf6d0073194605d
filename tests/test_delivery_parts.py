"""What all of delivery leans on: waits that end with work, and a log that cannot hurt."""

import asyncio

from edgeproxy.delivery.parts import Line, Parts
from edgeproxy.store.base import Gate
from tests.fakes import SEALER, Clock, FakeTransport, KeptLog


class NoStore:
    """Stands where a store does, and is not touched."""


def parts(log: object) -> Parts:
    return Parts(
        store=NoStore(),  # type: ignore[arg-type]
        transport=FakeTransport(),
        sealer=SEALER,
        now_ms=Clock(),
        draw=lambda: 0.5,
        fingerprint=lambda _: "",
        stopping=asyncio.Event(),
        log=log,  # type: ignore[arg-type]
    )


async def test_a_pause_ends_by_itself_or_when_work_stops() -> None:
    made = parts(KeptLog())
    await made.pause(0.001)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(made.pause(600))
        made.stopping.set()
    await made.pause(600)


async def test_a_log_that_fails_is_not_noticed() -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError("disk full")

    parts(fails).say("info", "something")


async def test_a_gate_that_moves_is_told_once_and_loudly_when_it_closes() -> None:
    log = KeptLog()
    made = parts(log)
    before = Gate(integration="i")
    closed = Gate(integration="i", state="paused_auth", reason="no token")
    made.say_moved(before, closed)
    made.say_moved(closed, Gate(integration="i", state="paused_auth", reason="other words"))
    made.say_moved(closed, before)
    assert [(level, event) for level, event, _ in log.lines] == [
        ("warning", "gate_moved"),
        ("info", "gate_moved"),
    ]
    assert log.named("gate_moved")[0] == {
        "integration": "i", "before": "open", "after": "paused_auth", "reason": "no token",
    }  # fmt: skip


def test_a_new_line_knows_nothing_and_is_open() -> None:
    line = Line()
    assert (line.record.failed_in_row, line.pace, line.closed) == (0, None, False)
