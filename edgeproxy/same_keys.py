"""Refuses a store that was used with other keys: what lies in it could not be read or found."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from edgeproxy.errors import ConfigError, StoreBusy
from edgeproxy.keys import Keys, fingerprint, marks
from edgeproxy.store.base import Store

_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Between the first questions to a store that says that it is busy."""


async def demand_same_keys(store: Store, keys: Keys, *, shared: bool) -> None:
    """Compare this process's keys with those that the store knows.

    Args:
        store: Opened just now; it may be away again for a moment.
        keys: Of this process.
        shared: Whether other nodes use the store.

    Raises:
        ConfigError: A key is another one.
        StoreBusy: The store does not answer.
    """
    await _patiently(partial(_same_keys, store, keys))
    if shared:
        await _patiently(partial(_same_keys_on_all_nodes, store, keys))


async def _patiently(ask: Callable[[], Awaitable[None]]) -> None:
    """Ask a store that was opened just now, and that may be away again for a moment."""
    for pause_s in _PAUSES_S:
        try:
            return await ask()
        except StoreBusy:
            await asyncio.sleep(pause_s)
    return await ask()


async def _same_keys(store: Store, keys: Keys) -> None:
    """Refuse a store that another visitor key was used with: its records could not be found."""
    mine = fingerprint("visitor", keys.visitor)
    if await store.meta("visitor_key", mine) != mine:
        raise ConfigError(
            [
                (
                    "store.keys_dir",
                    "the visitor key is not the one this store was made with; restore visitor.key",
                )
            ]
        )


async def _same_keys_on_all_nodes(store: Store, keys: Keys) -> None:
    """Refuse to join nodes that have other keys; a key that one of them added is known to all."""
    for name, mine in marks(keys).items():
        first = await store.meta(f"key {name}", mine[0])
        if first not in mine and not [
            mark for mark in mine if await store.meta(f"key {name} {mark}")
        ]:
            fault = f"{name} is not the one that the other nodes have; copy theirs"
            raise ConfigError([("store.keys_dir", fault)])
        for mark in mine:
            await store.meta(f"key {name} {mark}", "known")
