"""The durable place of events: `STORES` names the engines, `open_store` opens one by its URL."""

from collections.abc import Awaitable, Callable

from edgeproxy.store.base import Store

Fatal = Callable[[BaseException], None]
Opener = Callable[[str, Callable[[], int], Fatal | None], Awaitable[Store]]


async def _sqlite(url: str, now_ms: Callable[[], int], on_fatal: Fatal | None) -> Store:
    from edgeproxy.store.sqlite.store import SqliteStore

    return await SqliteStore.open(url.removeprefix("sqlite://"), now_ms=now_ms, on_fatal=on_fatal)


STORES: dict[str, Opener] = {"sqlite": _sqlite}
"""URL scheme → opener. Imports are lazy: an engine that is not used costs nothing."""


async def open_store(
    url: str, *, now_ms: Callable[[], int], on_fatal: Fatal | None = None
) -> Store:
    """Open the store that `url` names.

    Args:
        url: "sqlite:///absolute/path.db".
        now_ms: The wall clock in Unix ms, for engines without a clock of their own.
        on_fatal: Called in the event loop when the store can promise nothing any more.

    Raises:
        ConfigError: The place cannot be used; says why and what would do.
    """
    return await STORES[url.partition(":")[0]](url, now_ms, on_fatal)
