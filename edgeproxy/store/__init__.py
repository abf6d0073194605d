"""The durable place of events: `STORES` names the engines, `open_store` opens one by its URL."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from edgeproxy.errors import ConfigError
from edgeproxy.store.base import Reader, Store
from edgeproxy.store.patience import LOOK_WAIT_S, START_WAIT_S
from edgeproxy.store.space import Wishes

Fatal = Callable[[BaseException], None]


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How a store is opened.

    Attributes:
        url: "sqlite:///absolute/path.db" or "postgresql://user@host/database".
        now_ms: The wall clock in Unix ms, for engines without a clock of their own.
        on_fatal: Called in the event loop when the store can promise nothing any more.
        wishes: How full the disk may get, for engines that lie on one.
        accept_loss: Begin with an empty store where one was lost.
        say: Writes a line for the operator: level, event, fields.
        managed: The operator vouches for the storage below the database (`store.durability`).
        wait_s: How long to wait for an engine that is a server.
    """

    url: str
    now_ms: Callable[[], int]
    on_fatal: Fatal | None = None
    wishes: Wishes = Wishes()  # noqa: RUF009 - frozen
    accept_loss: bool = False
    say: Callable[..., None] = lambda *_, **__: None
    managed: bool = False
    wait_s: float = START_WAIT_S


Opener = Callable[[Opening], Awaitable[Store]]


async def _sqlite(opening: Opening) -> Store:
    from edgeproxy.store.sqlite.store import SqliteStore

    return await SqliteStore.open(
        opening.url.removeprefix("sqlite://"),
        now_ms=opening.now_ms,
        on_fatal=opening.on_fatal,
        wishes=opening.wishes,
        accept_loss=opening.accept_loss,
        say=opening.say,
    )


async def _postgresql(opening: Opening) -> Store:
    try:
        from edgeproxy.store.postgres.store import PostgresStore
    except ImportError:
        fault = "is PostgreSQL, which needs its driver: pip install 'edgeproxy[postgres]'"
        raise ConfigError([("store.url", fault)]) from None

    return await PostgresStore.open(
        opening.url,
        now_ms=opening.now_ms,
        on_fatal=opening.on_fatal,
        say=opening.say,
        managed=opening.managed,
        wait_s=opening.wait_s,
    )


STORES: dict[str, Opener] = {"sqlite": _sqlite, "postgresql": _postgresql}
"""URL scheme → opener. Imports are lazy: an engine that is not used costs nothing."""

ALSO = {"postgres": "postgresql"}
"""Another name of a scheme → its name here."""


async def open_store(
    url: str,
    *,
    now_ms: Callable[[], int],
    on_fatal: Fatal | None = None,
    **how: Any,
) -> Store:
    """Open the store that `url` names.

    Args:
        url: "sqlite:///absolute/path.db" or "postgresql://user@host/database".
        now_ms: The wall clock in Unix ms, for engines without a clock of their own.
        on_fatal: Called in the event loop when the store can promise nothing any more.
        how: The rest of `Opening`.

    Raises:
        ConfigError: The place cannot be used; says why and what would do.
    """
    opening = Opening(url=url, now_ms=now_ms, on_fatal=on_fatal, **how)
    scheme = url.partition(":")[0]
    return await STORES[ALSO.get(scheme, scheme)](opening)


async def open_reader(url: str, *, now_ms: Callable[[], int]) -> Reader:
    """Open the store that `url` names only to look into it, beside whoever writes to it.

    SQLite is opened read-only: nothing is made, brought up to date or locked.

    Args:
        url: As for `open_store`.
        now_ms: The wall clock in Unix ms.

    Raises:
        ConfigError: It cannot be read; says why and what would do.
        Failed: There is no store yet, or it has to be brought up to date first.
        StoreBusy: Another process keeps it to itself.
    """
    if url.startswith("sqlite:"):
        from edgeproxy.store.sqlite.reader import SqliteReader

        return SqliteReader.open(url.removeprefix("sqlite://"), now_ms=now_ms)
    return await open_store(url, now_ms=now_ms, wait_s=LOOK_WAIT_S)
