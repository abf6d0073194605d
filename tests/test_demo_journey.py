"""One card for each event, whatever the order of its steps."""

from typing import Any

import pytest

from edgeproxy.demo.journey import Card, Journey
from edgeproxy.trace import Stage, Step

TO = "shop-demo"


def step(stage: Stage, event_id: str = "e1", name: str = "PURCHASE", **data: Any) -> Step:
    integration = data.pop("to", TO if stage in ("sent", "answered") else "")
    return Step(
        at_ms=1_706_540_000_000,
        stage=stage,
        event_id=event_id,
        name=name,
        source="shop",
        integration=integration,
        data=data,
    )


def received(event_id: str = "e1", name: str = "Order Completed", **event: Any) -> Step:
    return step("received", event_id, name, event={"id": event_id, **event})


def queued(event_id: str = "e1", name: str = "PURCHASE", received_id: str = "") -> Step:
    return step(
        "queued",
        event_id,
        name,
        received_id=received_id or event_id,
        rule="catalogue",
        integration=TO,
    )


def duplicate(event_id: str = "e1") -> Step:
    return step("duplicate", event_id, received_id=event_id, rule="catalogue", integration=TO)


def sent(event_id: str = "e1", name: str = "PURCHASE", **more: Any) -> Step:
    data: dict[str, Any] = {
        "path": "/v2/conversion",
        "attempt": 1,
        "events": 1,
        "fields": {"event_type": name},
        "low_match": False,
        **more,
    }
    return step("sent", event_id, name, **data)


def answered(event_id: str = "e1", name: str = "PURCHASE", **more: Any) -> Step:
    data: dict[str, Any] = {
        "outcome": "delivered",
        "status": 200,
        "message": "All records processed",
        "latency_ms": 3.2,
        **more,
    }
    return step("answered", event_id, name, **data)


def after(*steps: Step) -> Journey:
    journey = Journey()
    for each in steps:
        journey.take(each)
    return journey


def test_the_way_of_an_event_is_one_card() -> None:
    journey = after(received(scid="s-1"), queued(), sent(), answered())
    [card] = journey.cards
    assert (card.called, card.name, card.fate) == ("Order Completed", "PURCHASE", "delivered")
    assert card.taken == {"id": "e1", "scid": "s-1"}
    assert card.sent == {"event_type": "PURCHASE"}
    assert (card.path, card.together, card.rule) == ("/v2/conversion", 1, "catalogue")
    assert [(answer.status, answer.latency_ms) for answer in card.tries] == [(200, 3.2)]
    assert card.final
    assert +journey.totals == {"delivered": 1}


def test_delivery_may_be_heard_of_before_the_intake() -> None:
    [card] = after(sent(), received(), queued(), answered()).cards
    assert (card.called, card.fate, bool(card.sent)) == ("Order Completed", "delivered", True)


def test_an_answer_may_be_heard_of_first_of_all() -> None:
    [card] = after(answered(), received(), queued()).cards
    assert (card.called, card.fate) == ("Order Completed", "delivered")


def test_a_repetition_is_a_card_of_its_own_and_changes_nothing() -> None:
    journey = after(received(), queued(), sent(), answered(), received(), duplicate())
    assert [card.fate for card in journey.cards] == ["duplicate", "delivered"]
    assert journey.cards[0].called == "Order Completed"
    assert +journey.totals == {"delivered": 1, "duplicate": 1}


def test_one_event_may_go_out_under_two_names() -> None:
    journey = after(
        received(),
        queued(),
        queued("e1-2", "CUSTOM_EVENT_1", received_id="e1"),
        sent(),
        sent("e1-2", "CUSTOM_EVENT_1"),
        answered("e1-2", "CUSTOM_EVENT_1"),
    )
    assert [(card.name, card.fate) for card in journey.cards] == [
        ("CUSTOM_EVENT_1", "delivered"),
        ("PURCHASE", "sent"),
    ]
    assert {card.called for card in journey.cards} == {"Order Completed"}


def test_a_dropped_event_says_why() -> None:
    [card] = after(step("dropped", "", "page", reason="gpc")).cards
    assert (card.fate, card.reason, card.called, card.name) == ("dropped", "gpc", "page", "")


def test_an_absorbed_event_is_not_a_dropped_one() -> None:
    [card] = after(step("dropped", "e1", "identify", reason="internal")).cards
    assert card.fate == "absorbed"


def test_an_unusable_event_says_why() -> None:
    [card] = after(step("rejected", "e1", "x", code="too_large", reason="too long")).cards
    assert (card.fate, card.reason) == ("rejected", "too long")


@pytest.mark.parametrize(
    ("outcome", "status", "together", "fate"),
    [
        ("transient", 503, 1, "again"),
        ("rate_limited", 429, 1, "again"),
        ("ambiguous", 200, 1, "again"),
        ("partial", 200, 3, "again"),
        ("paused_auth", 401, 1, "paused"),
        ("rejected", 400, 1, "refused"),
        ("too_large", 413, 1, "refused"),
        # Refused together: the batch is taken apart to find the culprit.
        ("rejected", 400, 2, "again"),
        ("too_large", 413, 2, "again"),
        ("too_large", None, 2, "again"),
        # Refused by name, among others that were taken.
        ("rejected", 200, 2, "refused"),
    ],
)
def test_an_answer_decides_the_fate(
    outcome: str, status: int | None, together: int, fate: str
) -> None:
    journey = after(queued(), sent(events=together), answered(outcome=outcome, status=status))
    assert journey.cards[0].fate == fate
    assert journey.cards[0].final == (fate == "refused")


def test_all_answers_are_kept_in_order() -> None:
    no = answered(outcome="transient", status=None, message="timeout")
    [card] = after(queued(), sent(), no, sent(), answered()).cards
    assert [answer.status for answer in card.tries] == [None, 200]
    assert card.fate == "delivered"


def test_what_says_nothing_is_left_out() -> None:
    [card] = after(received(name="Order Completed", who={}, label="", price=0), queued()).cards
    assert card.taken == {"id": "e1", "price": 0}


def test_a_step_without_its_data_costs_nothing() -> None:
    [card] = after(step("queued", to=TO), step("sent", fields=None, events="?")).cards
    assert (card.sent, card.together, card.called) == ({}, 0, "")


def test_changes_are_found_by_their_number() -> None:
    journey = after(received("a"), queued("a"), received("b"), queued("b"))
    seen = journey.rev
    journey.take(sent("a"))
    assert [card.id for card in journey.since(seen)] == ["a"]
    assert [card.id for card in journey.since(0)] == ["b", "a"]
    assert journey.since(journey.rev) == []


def test_old_cards_are_forgotten_but_counted() -> None:
    journey = Journey(kept=3)
    for number in range(10):
        journey.take(received(f"e{number}"))
        journey.take(queued(f"e{number}"))
    assert [card.id for card in journey.cards] == ["e9", "e8", "e7"]
    assert journey.totals["stored"] == 10


def test_whoever_listens_is_told_each_change_and_the_end() -> None:
    journey = Journey()
    told: list[str] = []

    def note(card: Card | None) -> None:
        told.append("end" if card is None else card.fate)

    with journey.told(note):
        for each in (received(), queued(), sent(), answered()):
            journey.take(each)
        journey.close()
    journey.take(sent("later"))
    assert told == ["stored", "sent", "delivered", "end"]
    assert journey.closed
