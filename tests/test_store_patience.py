"""Who waits how long for a database server: a start for a while, a command for seconds."""

from collections.abc import Iterator

import pytest

from edgeproxy.cli.lookup import changing
from edgeproxy.errors import Failed
from edgeproxy.settings import Settings
from edgeproxy.store import STORES, Opening, open_reader, open_store
from edgeproxy.store.base import Store
from edgeproxy.store.patience import LOOK_WAIT_S, START_WAIT_S

URL = "noted://nowhere"


@pytest.fixture
def waits() -> Iterator[list[float]]:
    """How long an engine was given, which then does not open."""
    given: list[float] = []

    async def opener(opening: Opening) -> Store:
        given.append(opening.wait_s)
        raise Failed("it does not open")

    STORES["noted"] = opener
    yield given
    del STORES["noted"]


async def test_a_start_is_patient_and_whoever_looks_is_not(waits: list[float]) -> None:
    for opened in (open_store, open_reader):
        with pytest.raises(Failed):
            await opened(URL, now_ms=lambda: 0)
    assert waits == [START_WAIT_S, LOOK_WAIT_S]
    assert LOOK_WAIT_S < START_WAIT_S


def test_a_command_that_changes_something_does_not_wait_longer(waits: list[float]) -> None:
    async def work(store: Store) -> None:
        raise AssertionError("there is no store")

    with pytest.raises(Failed):
        changing(Settings(store_url=URL), work)
    assert waits == [LOOK_WAIT_S]
