"""Steps as the door and delivery tell them, for tests of what is made of them."""

from typing import Any

from edgeproxy.trace import Stage, Step

START_MS = 1_706_540_000_000
SHOP = "shop/pixel"
VISITOR = "ab" * 16


def step(stage: Stage, id_: str, name: str, to: str = "", **changes: Any) -> Step:
    """One step; what is no field of a step is its data."""
    return Step(
        at_ms=changes.pop("at_ms", START_MS),
        stage=stage,
        event_id=id_,
        name=name,
        source=changes.pop("source", "shop"),
        integration=to,
        visitor=changes.pop("visitor", VISITOR),
        data=changes,
    )


def came(id_: str, name: str = "PURCHASE", to: str = SHOP, **changes: Any) -> list[Step]:
    """An event that came in and was queued."""
    event = {"id": id_, "page_url": f"https://shop.example/{id_}"}
    return [
        step("received", id_, f"Own {name}", event=event, **changes),
        step("queued", id_, name, received_id=id_, rule="catalog", integration=to, **changes),
    ]


def went(id_: str, name: str = "PURCHASE", to: str = SHOP, **changes: Any) -> list[Step]:
    """The same event at Snap, who took it."""
    fields = {"client_dedup_id": id_, "event_type": name}
    return [
        step("sent", id_, name, to, path="/v2/conversion", fields=fields, **changes),
        step("answered", id_, name, to, outcome="delivered", status=200, **changes),
    ]


def died(id_: str, reason: str = "rejected", name: str = "PURCHASE", to: str = SHOP) -> list[Step]:
    """The same event when it became a dead letter."""
    return [
        step("answered", id_, name, to, outcome="rejected", status=400),
        step("dead", id_, name, to, outcome=reason, message="Bad event"),
    ]


def dropped(id_: str, name: str = "Unknown", reason: str = "unmapped", **more: Any) -> list[Step]:
    """An event that goes nowhere."""
    return [step("dropped", id_, name, reason=reason, **more)]
