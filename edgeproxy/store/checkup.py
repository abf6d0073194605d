"""How a store is: findings for `edgeproxy doctor`, each with its cure."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import msgspec

from edgeproxy.errors import EdgeproxyError
from edgeproxy.store import open_reader
from edgeproxy.store.base import Counts
from edgeproxy.store.space import Wishes

State = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a checkup. `cure` says what to do; "" when nothing is to be done."""

    name: str
    state: State
    text: str
    cure: str = ""


async def checkup(url: str, wishes: Wishes, *, now_ms: Callable[[], int]) -> list[Finding]:
    """Look at a store without changing it; a server beside it does not notice.

    Args:
        url: As for `open_store`.
        wishes: What the settings say about the room for it.
        now_ms: The wall clock in Unix ms.
    """
    found: list[Finding] = []
    if url.startswith("sqlite:"):
        from edgeproxy.store.sqlite.checkup import look

        found += look(Path(url.removeprefix("sqlite://")), wishes)
    if all(one.name != "store.file" or one.state == "ok" for one in found):
        found += await _ledger(url, now_ms)
    return found


async def _ledger(url: str, now_ms: Callable[[], int]) -> list[Finding]:
    try:
        reader = await open_reader(url, now_ms=now_ms)
        try:
            counts = await reader.stats()
        finally:
            await reader.close()
    except EdgeproxyError as error:
        return [Finding(name="store.ledger", state="fail", text=str(error))]
    return list(_balances(counts))


def _balances(counts: Iterable[Counts]) -> Iterable[Finding]:
    wrong = [one.integration for one in counts if not one.balanced]
    if wrong:
        yield Finding(
            name="store.ledger",
            state="fail",
            text=f"the ledger of {', '.join(wrong)} does not balance: rows came or went uncounted",
            cure="keep a copy of the database and report it, with edgeproxy status --json",
        )
    else:
        pending, dead = sum(one.pending for one in counts), sum(one.dead_now for one in counts)
        text = f"every event is accounted for; {pending} wait, {dead} are dead letters"
        yield Finding(name="store.ledger", state="ok", text=text)
