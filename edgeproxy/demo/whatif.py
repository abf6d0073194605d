"""Small experiments: what becomes of events that a shop does not expect, and of a token.

Their visitors are without a browser, and go through the same shop, proxy and sandbox.
"""

from collections.abc import Awaitable, Callable

import msgspec

from edgeproxy.demo import goods
from edgeproxy.demo.parts import Stage
from edgeproxy.demo.past import shop_around
from edgeproxy.demo.visitor import PAGE, Happening, Visitor

_ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
_OUTAGE = 2
"""Answers of 503; the quick retries at 0.5 and 1 s come after them."""

_KNOWN = 40
"""Shoppers of the experiment with `identify`: enough to be seen among a week's events."""


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """One button: its text, what to look for, and what it does."""

    label: str
    expect: str
    run: Callable[[Stage], Awaitable[None]]


async def play(name: str, stage: Stage) -> None:
    """Run one of `EXPERIMENTS` or `SWITCH`.

    Raises:
        KeyError: There is none of this name.
        Failed: The shop fails.
    """
    run = SWITCH.get(name) or EXPERIMENTS[name].run
    await run(stage)


async def _no_consent(stage: Stage) -> None:
    visitor = stage.visitor()
    await visitor.open("/landing")
    await visitor.tell(PAGE)


async def _gpc(stage: Stage) -> None:
    await _agreeing(stage.visitor(extra={"sec-gpc": "1"}), PAGE)


async def _robot(stage: Stage) -> None:
    await _agreeing(stage.visitor(agent=_ROBOT), PAGE)


async def _unmapped(stage: Stage) -> None:
    await _agreeing(stage.visitor(), Happening(name="Quiz Finished", properties={"score": 7}))


async def _twice(stage: Stage) -> None:
    """The same order from two requests, as a reload of a thank-you page makes it."""
    cart = (goods.Row(product=goods.PRODUCTS[3], quantity=1),)
    properties = goods.cart_properties(cart, f"TW-{stage.new_id()[:8].upper()}")
    order = Happening(name="Order Completed", id=stage.new_id(), properties=properties)
    visitor = stage.visitor()
    await _agreeing(visitor, order)
    await visitor.tell(order)


async def _outage(stage: Stage) -> None:
    stage.sandbox.answer_with(status=503, times=_OUTAGE)
    await _agreeing(stage.visitor(), PAGE)


async def _identify(stage: Stage) -> None:
    for number in range(_KNOWN):
        product = goods.PRODUCTS[number % len(goods.PRODUCTS)]
        await shop_around(stage.visitor(), stage.new_id(), product=product, known=True)


async def _revoke(stage: Stage) -> None:
    stage.tokens.revoke()
    await _agreeing(stage.visitor(), PAGE)


async def _restore(stage: Stage) -> None:
    stage.tokens.restore()


async def _agreeing(visitor: Visitor, *events: Happening) -> None:
    await visitor.open("/landing")
    await visitor.choose(ad=True)
    await visitor.tell(*events)


EXPERIMENTS: dict[str, Experiment] = {
    "no-consent": Experiment(
        label="Nobody agreed",
        expect="A visitor who has not chosen yet: the event is dropped.",
        run=_no_consent,
    ),
    "gpc": Experiment(
        label="Privacy signal",
        expect="A browser with Global Privacy Control: dropped, even after a yes.",
        run=_gpc,
    ),
    "robot": Experiment(
        label="A robot",
        expect="A crawler looks at the page: dropped.",
        run=_robot,
    ),
    "unmapped": Experiment(
        label="Unknown event",
        expect="“Quiz Finished” is nothing Snap knows: dropped.",
        run=_unmapped,
    ),
    "twice": Experiment(
        label="Order sent twice",
        expect="One order from two requests: Snap gets it once.",
        run=_twice,
    ),
    "outage": Experiment(
        label="Snap is down",
        expect="Snap answers 503 twice: the event waits on disk and arrives.",
        run=_outage,
    ),
    "identify": Experiment(
        label="Add identify",
        expect=f"{_KNOWN} shoppers of whom the shop tells who they are: match quality rises.",
        run=_identify,
    ),
}
"""Name → experiment, in the order of the buttons."""

SWITCH: dict[str, Callable[[Stage], Awaitable[None]]] = {"revoke": _revoke, "restore": _restore}
"""Breaks the pixel's token, and mends it at Snap's side."""
