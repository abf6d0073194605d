"""The scripted visit of `demo --once`: what a visitor does, and what Snap must then have.

Over real sockets, through the shop, the proxy and the sandbox, like a browser's own.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from typing import Any

from edgeproxy.demo import goods
from edgeproxy.demo.forward import PREFIX, VISITOR_ADDRESS
from edgeproxy.demo.journey import Card, Journey
from edgeproxy.demo.parts import Stage
from edgeproxy.demo.visitor import PAGE, Happening, Visitor
from edgeproxy.demo.words import said, word_of
from edgeproxy.errors import Failed

DEADLINE_S = 20.0
"""How long Snap may take to have everything."""

CART = tuple(
    goods.Row(product=goods.BY_SLUG[slug], quantity=count)
    for slug, count in (("low-tide-mug", 2), ("pebble-vase", 1))
)
EXPECTED = (
    "PAGE_VIEW",  # the landing page
    *("PAGE_VIEW", "VIEW_CONTENT", "ADD_CART") * len(CART),
    *("PAGE_VIEW", "START_CHECKOUT"),
    *("PAGE_VIEW", "PURCHASE"),
    "PAGE_VIEW",  # a week later
)
"""Snap's names, in order."""

Event = dict[str, Any]


async def visit(
    stage: Stage,
    visitor: Visitor,
    *,
    say: Callable[[str], None],
    deadline_s: float = DEADLINE_S,
) -> list[Event]:
    """Do the whole visit and give the events that Snap has received, in order.

    Args:
        stage: The running parts.
        visitor: Who visits, with an empty cookie jar.
        say: Told what happens.
        deadline_s: How long to wait for Snap at the end.

    Raises:
        Failed: The first thing that went wrong.
    """
    click_id = stage.new_id()
    say("an ad is clicked; the visitor lands and agrees")
    await _land(visitor, click_id)
    say("two products are looked at and put into the cart")
    for row in CART:
        await _choose_product(visitor, row)
    say("the visitor says who it is, and buys")
    order_id = await _buy(visitor)
    say("a week later the visitor comes back without the click id")
    await _come_back(visitor)
    say("waiting for Snap")
    await _arrived(stage, deadline_s)
    events = stage.sandbox.events
    verify(events, click_id=click_id, order_id=order_id, scid=visitor.cookies.get("_scid", ""))
    return events


async def _land(visitor: Visitor, click_id: str) -> None:
    page = await visitor.open(f"/landing?ScCid={click_id}")
    _insist(f'src="{PREFIX}/s.js"' in page, "the landing page has no tag")
    await visitor.choose(ad=True)
    await _tell(visitor, PAGE, click_id=click_id)
    _insist("_scid" in visitor.cookies, "the proxy's answer does not set the cookie _scid")
    kept = visitor.cookies.get("_scclid")
    _insist(kept == click_id, "the proxy's answer does not keep the click id in _scclid")


async def _choose_product(visitor: Visitor, row: goods.Row) -> None:
    properties = goods.product_properties(row.product)
    await visitor.open(f"/products/{row.product.slug}")
    await _tell(visitor, PAGE, Happening(name="Product Viewed", properties=properties))
    added = {**properties, "quantity": row.quantity}
    await _tell(visitor, Happening(name="Product Added", properties=added))
    for _ in range(row.quantity):
        await visitor.submit("/cart", {"sku": row.product.sku})


async def _buy(visitor: Visitor) -> str:
    """Check out and pay; gives the order's number."""
    await visitor.open("/checkout")
    started = Happening(name="Checkout Started", properties=goods.cart_properties(CART))
    await _tell(visitor, PAGE, started)
    visitor.identify({name: goods.PERSON[name] for name in goods.TRAITS})
    await visitor.tell(Happening(name="identify"))
    await visitor.submit("/checkout", goods.PERSON)
    thanks = await visitor.submit("/payment", {})
    await visitor.open(thanks)
    order_id = thanks.rpartition("/")[2]
    ordered = goods.cart_properties(CART, order_id)
    await _tell(visitor, PAGE, Happening(name="Order Completed", properties=ordered))
    return order_id


async def _come_back(visitor: Visitor) -> None:
    await visitor.leave()
    await visitor.open("/welcome-back")
    await _tell(visitor, PAGE)


async def _tell(visitor: Visitor, *events: Happening, click_id: str = "") -> None:
    """Post events of which every one has to be accepted."""
    counted = await visitor.tell(*events, click_id=click_id)
    names = ", ".join(event.name for event in events)
    _insist(
        counted.accepted == len(events),
        f"the proxy accepts {counted.accepted} of {len(events)} ({names}); "
        f"it drops {counted.dropped or 'none'}",
    )


async def _arrived(stage: Stage, deadline_s: float) -> None:
    """Return when Snap has as many events as were sent; Failed at its first refusal."""
    changed = asyncio.Event()

    def note(_: Card | None) -> None:
        changed.set()

    with stage.journey.told(note):
        try:
            async with asyncio.timeout(deadline_s):
                while len(stage.sandbox.events) < len(EXPECTED):
                    _still_possible(stage.journey)
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            raise Failed(_missing(stage, deadline_s)) from None


def _still_possible(journey: Journey) -> None:
    """Failed when Snap has refused an event, or has said yes to all and does not have them."""
    for card in reversed(journey.cards):
        if card.fate in ("refused", "paused"):
            raise Failed(f"Snap refuses {card.name}: {said(card.tries[-1])}")
    _insist(
        journey.totals["delivered"] < len(EXPECTED),
        f"Snap has accepted {len(EXPECTED)} events and does not count all of them",
    )


def _missing(stage: Stage, deadline_s: float) -> str:
    """How much is missing when the time is over, and what became of the first of it."""
    found = f"after {deadline_s:g} s Snap has {len(stage.sandbox.events)} of {len(EXPECTED)} events"
    late = [card for card in stage.journey.cards if not card.final][-1:]
    words = [f"; {card.name}: {word_of(card).short.lower()}" for card in late]
    answers = [f", last answer {said(card.tries[-1])}" for card in late if card.tries]
    return "".join([found, *words, *answers])


def verify(events: list[Event], *, click_id: str, order_id: str, scid: str) -> None:
    """Look at what Snap has received; Failed with the first thing that is not as it should be."""
    names = tuple(event.get("event_type") for event in events)
    _insist(names == EXPECTED, f"Snap received {', '.join(map(str, names))}")
    purchase, returned = events[-2], events[-1]
    _compare("PURCHASE", purchase, _of_visitor(click_id, scid))
    _compare("PURCHASE", purchase, _of_order(order_id))
    _compare("the return visit's PAGE_VIEW", returned, _of_visitor(click_id, scid))
    raw = (goods.PERSON["email"], VISITOR_ADDRESS)
    told = json.dumps(events)
    _insist(
        not any(value in told for value in raw),
        "an e-mail address or IP address reached Snap in the clear",
    )


def _of_visitor(click_id: str, scid: str) -> Event:
    return {
        "click_id": click_id,
        "uuid_c1": scid,
        "hashed_sc_cookie": scid,
        "hashed_email": _sha256(goods.PERSON["email"]),
        "hashed_ip_address": _sha256(VISITOR_ADDRESS),
    }


def _of_order(order_id: str) -> Event:
    return {
        "transaction_id": order_id,
        "price": float(goods.total(CART)),
        "currency": goods.CURRENCY,
        "item_ids": [row.product.sku for row in CART],
        "number_items": sum(row.quantity for row in CART),
    }


def _compare(what: str, event: Event, expected: Event) -> None:
    for field, value in expected.items():
        got = event.get(field)
        _insist(got == value, f"{what} has {field} = {got!r}, not {value!r}")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _insist(truth: bool, sentence: str) -> None:
    if not truth:
        raise Failed(sentence)
