"""What the commands about the store share: opening it, and the words for what they find."""

import asyncio
import difflib
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import msgspec

from edgeproxy.errors import Failed, StoreBusy

if TYPE_CHECKING:
    from edgeproxy.settings import Settings
    from edgeproxy.store.base import Reader, Store

T = TypeVar("T")

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60))


def looking(settings: "Settings", work: "Callable[[Reader], Awaitable[T]]") -> T:
    """The result of `work` with the store open for reading; a server beside it does not notice.

    Raises:
        ConfigError, Failed: There is no store that could be read.
    """
    from edgeproxy.runtime import now_ms
    from edgeproxy.store import open_reader

    async def look() -> T:
        reader = await open_reader(settings.store_url, now_ms=now_ms)
        try:
            return await work(reader)
        finally:
            await reader.close()

    return _run(look)


def changing(settings: "Settings", work: "Callable[[Store], Awaitable[T]]") -> T:
    """The result of `work` with the store open for writing, beside a server or without one.

    Raises:
        ConfigError, Failed: The store cannot be used, or not just now.
    """
    from edgeproxy.runtime import now_ms
    from edgeproxy.store import open_store
    from edgeproxy.store.patience import LOOK_WAIT_S

    async def change() -> T:
        store = await open_store(settings.store_url, now_ms=now_ms, wait_s=LOOK_WAIT_S)
        try:
            return await work(store)
        finally:
            await store.close()

    return _run(change)


def _run(work: Callable[[], Awaitable[T]]) -> T:
    async def main() -> T:
        return await work()

    try:
        return asyncio.run(main())
    except StoreBusy as error:
        raise Failed(f"{error.message} Another process may hold it; try again.") from error


async def configured(settings: "Settings", reader: "Reader") -> dict[str, bool]:
    """Integration → whether it is switched on, of the file and of those made at run time."""
    from edgeproxy.roster.assembly import assembled, in_order
    from edgeproxy.roster.records import INTEGRATION, SOURCE

    sources = in_order(await reader.office.records(SOURCE))
    integrations = in_order(await reader.office.records(INTEGRATION))
    roster = assembled(settings.sources, sources, integrations, lambda _: None)
    return {one.id: one.enabled for source in roster.sources for one in source.integrations}


def require_known(integration: str | None, known: Iterable[str]) -> None:
    """Refuse a name that nobody has, with the one that was probably meant."""
    names = sorted(set(known))
    if integration is None or integration in names:
        return
    close = difflib.get_close_matches(integration, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"there is {', '.join(names) or 'none'}"
    raise Failed(f"there is no integration {integration!r}; {hint}")


def age(seconds: float) -> str:
    """A duration for people: "3 min", "2 d"; "" for none."""
    if seconds <= 0:
        return ""
    for unit, length_s in _UNITS:
        if seconds >= length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def instant(at_ms: int) -> str:
    """A moment in UTC, to the second."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"


def event_id(body: bytes) -> str:
    """The id of a stored event; "" when it cannot be read."""
    from edgeproxy.event import decode_event

    try:
        return decode_event(body).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
