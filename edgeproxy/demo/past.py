"""What a demo has behind it when somebody opens it: a week of counts, and a few real events.

The counts are made up (`demo.history`) and written through the journal's own interface. The events
are sent through shop, proxy and Snap like any other: some arrive, one is nothing that Snap knows,
and a few orders are refused and lie in the dead letters, from where they can be replayed.
"""

import asyncio
from collections.abc import Callable

from edgeproxy.demo import goods
from edgeproxy.demo.history import week
from edgeproxy.demo.journey import Journey
from edgeproxy.demo.parts import Stage
from edgeproxy.demo.visitor import PAGE, Happening, Visitor
from edgeproxy.errors import Failed
from edgeproxy.journal import open_journal
from edgeproxy.sandbox.script import Answer, Settings

REFUSED = 3
ARRIVING = 5
EVENTS = 5 * ARRIVING + REFUSED + 1
"""All that are sent."""

DEADLINE_S = 20.0

_NO = {"status": "FAILED", "reason": "This demo's Snap was told to refuse the order once"}


async def write_week(store_url: str, now_ms: Callable[[], int]) -> None:
    """Write the made-up week beside a store that nobody uses yet."""
    journal = open_journal(store_url, now_ms=now_ms)
    try:
        for at_ms, counts in week(now_ms()):
            await journal.write([], counts, at_ms)
    finally:
        await journal.close()


async def send_events(stage: Stage, journey: Journey, deadline_s: float = DEADLINE_S) -> None:
    """Send the events of the past, and return when each has come to its end.

    Args:
        stage: The running parts.
        journey: Is told what becomes of them.
        deadline_s: How long they may take.

    Raises:
        Failed: They took longer.
    """
    orders = [f"order-demo-{number}" for number in range(1, REFUSED + 1)]
    refusal = Answer(status=400, body=_NO, refuse_events=tuple(orders), times=None)
    stage.sandbox.change(Settings(answers=[refusal]))
    for product in goods.PRODUCTS[:ARRIVING]:
        await shop_around(stage.visitor(), stage.new_id(), product=product)
    await _agreed(stage.visitor(), Happening(name="Quiz Finished", properties={"score": 7}))
    await _ended(journey, EVENTS - REFUSED, deadline_s)
    for ended, (order, product) in enumerate(zip(orders, goods.PRODUCTS, strict=False), 1):
        # One at a time: a batch that is refused is taken apart, which makes a long story.
        await _agreed(stage.visitor(), _ordered(order, product))
        await _ended(journey, EVENTS - REFUSED + ended, deadline_s)
    stage.sandbox.answer_normally()


async def _ended(journey: Journey, events: int, deadline_s: float) -> None:
    changed = asyncio.Event()
    with journey.told(lambda _: changed.set()):
        try:
            async with asyncio.timeout(deadline_s):
                while sum(card.final for card in journey.cards) < events:
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            text = f"the demo's first events have not come to an end after {deadline_s:g} s"
            raise Failed(text) from None


async def shop_around(
    visitor: Visitor, order_id: str, *, product: goods.Product, known: bool = False
) -> None:
    """Land, look, put something into the cart, and buy it.

    Args:
        visitor: Who, with an empty cookie jar.
        order_id: The order's number.
        product: What.
        known: Whether the shop tells who it is.
    """
    properties = goods.product_properties(product)
    cart = (goods.Row(product=product, quantity=1),)
    await visitor.open("/landing")
    await visitor.choose(ad=True)
    if known:
        visitor.identify({name: goods.PERSON[name] for name in goods.TRAITS})
    await visitor.tell(
        PAGE,
        Happening(name="Product Viewed", properties=properties),
        Happening(name="Product Added", properties={**properties, "quantity": 1}),
        Happening(name="Checkout Started", properties=goods.cart_properties(cart)),
        Happening(name="Order Completed", properties=goods.cart_properties(cart, order_id)),
    )


def _ordered(id: str, product: goods.Product) -> Happening:
    cart = (goods.Row(product=product, quantity=1),)
    return Happening(name="Order Completed", id=id, properties=goods.cart_properties(cart, id))


async def _agreed(visitor: Visitor, event: Happening) -> None:
    await visitor.open("/landing")
    await visitor.choose(ad=True)
    await visitor.tell(event)
