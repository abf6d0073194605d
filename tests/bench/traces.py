"""What a week of two shops leaves in the journal: the steps of events, and counts by the minute.

Uneven on purpose, like life: ids of several kinds, a monitor that is a visitor 50,000 times, a
source with one event in a thousand, names by the hundred.
"""

from collections.abc import Mapping

from edgeproxy.meter import Label
from edgeproxy.trace import Stage, Step

START_MS = 1_706_540_000_000
EACH_MS = 500
"""Between two events: a million of them are six days."""

EVENTS = ("PAGE_VIEW",) * 60 + ("VIEW_CONTENT",) * 25 + ("ADD_CART",) * 10 + ("PURCHASE",) * 5
MONITOR = "ff" * 16
DROPPED = 7
"""Of fifty events the one that goes nowhere."""


def id_of(number: int) -> str:
    """As browsers name events; one in four as a tag manager does, by the time."""
    if number % 4 == 3:
        return f"tag-{START_MS + number * EACH_MS}-{number}"
    return f"{number * 2654435761 % 2**32:08x}-1c2d-4e3f-8a4b-{number:012x}"


def visitor_of(number: int) -> str:
    """Twenty events each, but for the monitor."""
    return MONITOR if number % 20 == 13 else f"{number // 20:032x}"


def steps_of(number: int) -> list[Step]:
    """What one event leaves behind, as the door and delivery tell it."""
    name = EVENTS[number % 100]
    said = f"Own {name} {number // 100 % 25}"
    at_ms = START_MS + number * EACH_MS
    id_ = id_of(number)
    to = "shop/app" if number % 3 == 2 else "shop/pixel"
    event = {
        "id": id_, "name": name, "time_ms": at_ms, "source": "shop", "privacy": "match",
        "page_url": f"https://www.example.com/products/{number % 997}", "scid": id_,
        "click_id": "click-" + id_, "who": {"email_sha256": "ab" * 32, "phone_sha256": "cd" * 32},
        "goods": {"price": "129.99", "currency": "USD", "order_id": f"ORD-{number}",
                  "item_ids": ["SKU-A", "SKU-B"], "number_items": "3"},
        "device": {"model": "iPhone", "os_version": "17.2", "os": "iOS", "browser": "Safari"},
        "address_hmac": "0" * 24, "agent_hmac": "1" * 24,
    }  # fmt: skip
    fields = {
        "pixel_id": "67d34640-b7a4-42a8-b821-6434d70f08a4", "event_type": name,
        "event_conversion_type": "WEB", "timestamp": at_ms, "client_dedup_id": id_,
        "page_url": event["page_url"], "user_agent": "••••", "hashed_ip_address": "••••",
        "hashed_email": "ab" * 32, "hashed_phone_number": "cd" * 32, "click_id": "click-" + id_,
        "uuid_c1": id_, "hashed_sc_cookie": id_, "price": 129.99, "currency": "USD",
        "item_ids": ["SKU-A", "SKU-B"], "number_items": 3,
    }  # fmt: skip

    def step(stage: Stage, called: str, to: str, data: dict[str, object]) -> Step:
        return Step(
            at_ms=at_ms,
            stage=stage,
            event_id=id_,
            name=called,
            source="shop" if number % 1000 else "outlet",
            integration=to,
            visitor=visitor_of(number),
            data=data,
        )

    came = step("received", said, "", {"event": event})
    if number % 50 == DROPPED:
        return [came, step("dropped", said, "", {"reason": "unmapped"})]
    rule: dict[str, object] = {"received_id": id_, "rule": "catalog"}
    sent = {"path": "/v2/conversion", "attempt": 1, "events": 40, "fields": fields}
    answer = {"outcome": "delivered", "status": 200, "message": "", "latency_ms": 80.1}
    steps = [
        came,
        step("queued", name, to, rule),
        step("sent", name, to, sent),
        step("answered", name, to, answer),
    ]
    if number % 100_000 == 99:
        steps[3:] = [step("dead", name, to, {"outcome": "rejected", "message": "no"})]
    return steps


def minute_of(minute: int) -> Mapping[Label, int]:
    """What one minute of two busy integrations counts: some 120 labels."""
    counts: dict[Label, int] = {("in", "shop", "accepted", ""): 60_000}
    for to in ("shop/pixel", "shop/app"):
        for name in sorted(set(EVENTS)):
            counts["out", to, "delivered", name] = 100 + minute % 7
            for mask in ("ceipst", "ceips", "eips", "is", "s", "cs"):
                counts["cover", to, name, mask] = 10
        for bucket in ("100", "250", "500", "1000", "2500", "5000", "15000", "60000", "inf"):
            counts["wait", to, bucket, ""] = 50
            counts["snap", to, bucket, ""] = 50
        for status in ("200", "429", "500"):
            counts["answer", to, "delivered", status] = 9
    return counts
