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
    assert not line.easing


def test_a_gate_that_has_opened_is_passed_slowly_at_first() -> None:
    line = Line()
    line.saw(Gate(integration="i"))
    assert (line.closed, line.easing) == (False, False)
    line.saw(Gate(integration="i", state="probing"))
    assert (line.closed, line.easing) == (True, False)
    for _ in range(2):
        line.saw(Gate(integration="i"))
        assert (line.closed, line.easing) == (False, True)
    line.saw(Gate(integration="i", state="paused_auth"))
    assert (line.closed, line.easing) == (True, False)


def test_a_strange_status_is_named_once_in_a_while_each() -> None:
    line = Line()
    asked = [(418, 0.0), (418, 9.0), (451, 9.0), (418, 10.0), (418, 11.0)]
    assert [line.names_odd(status, now_s, every_s=10.0) for status, now_s in asked] == [
        True, False, True, True, False,
    ]  # fmt: skip
