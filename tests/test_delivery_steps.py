"""What a watcher is told of a request and its answer."""

import msgspec
import pytest
from msgspec.structs import replace

from edgeproxy.delivery import steps
from edgeproxy.delivery.batch import Ready
from edgeproxy.event import encode_event
from edgeproxy.outcome import Verdict
from edgeproxy.store.base import Dead, Row
from edgeproxy.wire import WireEvent, WireRequest
from tests.fakes import event

REQUEST = WireRequest(path="/v2/conversion", body=b"", token_in="header", events=2)


def ready(number: int, **fields: object) -> Ready:
    row = Row(
        id=number, key=b"", visitor=b"", name="PAGE_VIEW", body=b"", sealed=b"", known=b"",
        attempt=3, event_time_ms=0,
    )  # fmt: skip
    wire = WireEvent(fields=fields, low_match=number == 2)
    return Ready(row=row, event=event(number), wire=wire)


def test_each_event_of_a_request_is_told_with_its_fields() -> None:
    told = steps.sent(
        (ready(1, price=5), ready(2)), (0, 1), REQUEST, integration="shop/pixel", at_ms=9
    )
    assert [(one.stage, one.event_id, one.at_ms) for one in told] == [
        ("sent", "e1", 9),
        ("sent", "e2", 9),
    ]
    assert (told[0].name, told[0].source, told[0].integration) == (
        "PAGE_VIEW", "shop", "shop/pixel",
    )  # fmt: skip
    assert told[0].data == {
        "path": "/v2/conversion", "attempt": 3, "events": 2, "fields": {"price": 5},
        "low_match": False,
    }  # fmt: skip
    assert told[1].data["low_match"] is True


@pytest.mark.parametrize(
    "name",
    [
        "user_agent", "hashed_user_agent", "hashed_ip_address", "client_user_agent",
        "client_ip_address", "madid", "idfv",
    ],
)  # fmt: skip
def test_what_is_raw_or_can_be_reversed_is_masked_at_any_depth(name: str) -> None:
    one = ready(1, **{name: "canary", "user_data": {name: "canary", "em": ("ab",)}})
    told = steps.sent((one,), (0,), REQUEST, integration="i", at_ms=0)
    assert "canary" not in msgspec.json.encode(told).decode()
    assert told[0].data["fields"] == {name: "••••", "user_data": {name: "••••", "em": ("ab",)}}


def test_an_event_that_is_not_sent_is_told_with_its_reason() -> None:
    row = replace(ready(1).row, body=encode_event(event(1)))
    dead = Dead(id=1, reason="missing_price", detail="it has no price")
    told = steps.unsent(row, dead, integration="shop/pixel", at_ms=9)
    assert (told.stage, told.event_id, told.source, told.at_ms) == ("rejected", "e1", "shop", 9)
    assert told.data == {"outcome": "missing_price", "message": "it has no price"}
    unreadable = steps.unsent(replace(row, body=b"\xff"), dead, integration="i", at_ms=9)
    assert (unreadable.event_id, unreadable.name) == ("", "PAGE_VIEW")


def test_each_event_is_told_its_own_outcome() -> None:
    verdict = Verdict(
        kind="partial", status=200, delivered=(0,), dead={1: "Missing x"}, message="some failed"
    )
    batch = (ready(1), ready(2), ready(3))
    told = steps.answered(batch, range(3), verdict, 12.345, integration="i", at_ms=9)
    assert [one.stage for one in told] == ["answered"] * 3
    assert [one.data["outcome"] for one in told] == ["delivered", "rejected", "partial"]
    assert [one.data["message"] for one in told] == ["some failed", "Missing x", "some failed"]
    assert {one.data["status"] for one in told} == {200}
    assert told[0].data["latency_ms"] == 12.3


def test_only_the_events_that_are_asked_for_are_told_each_with_its_own() -> None:
    batch = (ready(1), ready(2), ready(3))
    verdict = Verdict(kind="partial", status=200, delivered=(1,), dead={2: "Missing x"})
    sent = steps.sent(batch, (1, 2), REQUEST, integration="i", at_ms=9)
    assert [one.event_id for one in sent] == ["e2", "e3"]
    told = steps.answered(batch, (1, 2), verdict, 1, integration="i", at_ms=9)
    assert [(one.event_id, one.data["outcome"]) for one in told] == [
        ("e2", "delivered"),
        ("e3", "rejected"),
    ]
    dead = {3: Dead(id=3, reason="rejected", detail="Missing x")}
    buried = steps.buried(batch, (0, 1, 2), dead, integration="i", at_ms=9)
    assert [(one.stage, one.event_id, one.data) for one in buried] == [
        ("dead", "e3", {"outcome": "rejected", "message": "Missing x"})
    ]


def test_the_visitor_is_named_as_in_the_store_so_that_it_can_be_erased() -> None:
    one = ready(1)
    named = replace(one, row=replace(one.row, visitor=b"v" * 16))
    [told] = steps.sent((named,), (0,), REQUEST, integration="i", at_ms=9)
    assert told.visitor == (b"v" * 16).hex()
    unsent = steps.unsent(named.row, Dead(id=1, reason="expired"), integration="i", at_ms=9)
    assert unsent.visitor == told.visitor
