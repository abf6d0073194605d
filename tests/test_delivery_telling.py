"""The log lines of Snap's answers: how loud each is, and how often a strange one is named."""

from typing import Any

import pytest

from edgeproxy.delivery.batch import Ready
from edgeproxy.delivery.parts import Line, Parts
from edgeproxy.delivery.telling import ODD_EVERY_S, answered, delivered_late
from edgeproxy.outcome import AnswerClass, Verdict
from edgeproxy.store.base import SEEN_S, Row
from edgeproxy.wire import WireEvent, WireResponse
from tests.fakes import START_MS, KeptLog, event
from tests.test_delivery_parts import parts


class Teller:
    """Writes lines about answers."""

    def __init__(self) -> None:
        self.log = KeptLog()
        self.parts: Parts = parts(self.log)
        self.line = Line()

    def hear(self, kind: AnswerClass, now_s: float = 0.0, **response: Any) -> None:
        verdict = Verdict(kind=kind, status=response.get("status"), message="Snap's words")
        reply = WireResponse(**response)
        answered(self.parts, self.line, (), verdict, reply, integration="i", now_s=now_s)

    def levels(self, name: str) -> list[str]:
        return [level for level, event_, _ in self.log.lines if event_ == name]


@pytest.mark.parametrize(
    ("kind", "response", "level"),
    [
        ("delivered", {"status": 200}, "debug"),
        ("partial", {"status": 200}, "info"),
        ("rejected", {"status": 400}, "info"),
        ("too_large", {"status": 413}, "info"),
        ("paused_auth", {"status": 401}, "error"),
        ("rate_limited", {"status": 429}, "warning"),
        ("ambiguous", {"status": 200}, "warning"),
        ("transient", {"status": 503}, "warning"),
        ("transient", {"status": None, "fault": "reset"}, "warning"),
        ("transient", {"status": None, "fault": "tls"}, "error"),
    ],
)
def test_an_answer_is_as_loud_as_it_is_bad(
    kind: AnswerClass, response: dict[str, Any], level: str
) -> None:
    teller = Teller()
    teller.hear(kind, **response)
    assert teller.levels("snap_answered") == [level]
    assert teller.levels("snap_status_unknown") == []
    told = teller.log.named("snap_answered")[0]
    assert (told["outcome"], told["reason"], told["integration"]) == (kind, "Snap's words", "i")


def test_a_status_without_a_rule_is_named_once_an_hour() -> None:
    teller = Teller()
    for now_s in (0.0, 1.0, ODD_EVERY_S - 1, ODD_EVERY_S, ODD_EVERY_S + 1):
        teller.hear("transient", now_s, status=418)
    teller.hear("transient", 2.0, status=451)
    named = [line["snap_status"] for line in teller.log.named("snap_status_unknown")]
    assert named == [418, 418, 451]
    assert set(teller.levels("snap_status_unknown")) == {"warning"}
    assert set(teller.levels("snap_answered")) == {"debug"}


def row(number: int, *, attempt: int, age_s: int) -> Ready:
    made = event(number, time_ms=START_MS - age_s * 1000)
    stored = Row(
        id=number, key=b"", visitor=b"", name=made.name, body=b"", sealed=b"", known=b"",
        attempt=attempt, event_time_ms=made.time_ms,
    )  # fmt: skip
    return Ready(row=stored, event=made, wire=WireEvent(fields={}, low_match=False))


def test_what_may_count_twice_at_snap_is_counted() -> None:
    teller = Teller()
    late = SEEN_S + 1
    batch = (
        row(0, attempt=2, age_s=late),
        row(1, attempt=1, age_s=late),
        row(2, attempt=2, age_s=SEEN_S - 1),
        row(3, attempt=9, age_s=late),
        row(4, attempt=9, age_s=late),
    )
    verdict = Verdict(kind="partial", delivered=(0, 1, 2, 3), dead={4: "no"})
    delivered_late(teller.parts, batch, verdict, integration="i")
    assert teller.log.named("redelivered_after_window") == [{"integration": "i", "events": 2}]


def test_what_is_in_time_is_not_told() -> None:
    teller = Teller()
    batch = (row(0, attempt=5, age_s=60),)
    delivered_late(teller.parts, batch, Verdict(kind="delivered", delivered=(0,)), integration="i")
    assert teller.log.lines == []
