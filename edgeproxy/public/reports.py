"""What a server reports of visitors on its way into the store: many visitors, one commit."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TypeVar

import msgspec

from edgeproxy.intake.report import Report
from edgeproxy.public.accept import Answer, Intake
from edgeproxy.public.ask import Ask
from edgeproxy.public.heard import Heard, hear
from edgeproxy.public.state import State
from edgeproxy.registry import Site
from edgeproxy.store.base import Item

T = TypeVar("T")

_AT_ONCE = 16
"""Messages of a large batch between two looks at what else the event loop has to do."""

_Waiting = tuple[Intake, list[Item]]


async def unhurried(each: Iterable[T]) -> AsyncIterator[T]:
    """The same one after another, without keeping all other requests waiting."""
    for number, one in enumerate(each, 1):
        yield one
        if not number % _AT_ONCE:
            await asyncio.sleep(0)


async def accept_reports(
    reports: Sequence[Report], ask: Ask, site: Site, state: State
) -> list[Answer]:
    """Take what a server says of visitors; all of it is durable when this returns.

    One who withdraws is forgotten in the order of the reports; apart from that all of them are
    stored in one go, or none.

    Returns:
        What became of each report.

    Raises:
        StoreBusy: Nothing was acknowledged; the caller repeats it.
    """
    answers: list[Answer] = []
    waiting: list[_Waiting] = []
    async for report in unhurried(reports):
        heard = hear(report, ask, site, state)
        if heard.contact.decision.withdraw:
            answers += await _stored(waiting, state)
            waiting = []
            await _forget(heard, state)
        who = msgspec.structs.replace(ask, address=report.address, user_agent=report.user_agent)
        intake = Intake(report.batch, who, site, state, heard)
        intake.prepare()
        intake.build()
        intake.seal()
        waiting.append((intake, intake.items()))
    return [*answers, *await _stored(waiting, state)]


async def _stored(waiting: Sequence[_Waiting], state: State) -> list[Answer]:
    items = [item for _, own in waiting for item in own]
    fates = iter(await state.store.append(items) if items else ())
    return [intake.taken([next(fates) for _ in own]).answer for intake, own in waiting]


async def _forget(heard: Heard, state: State) -> None:
    for name in heard.names:
        await state.store.recall(name)
        state.forgot(name)
