"""Which events are taken when the disk fills, and that bookkeeping always finds room."""

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace

from edgeproxy.store.base import Binding, Item
from edgeproxy.store.space import Level, Limits
from edgeproxy.store.sqlite.file import connect
from edgeproxy.store.sqlite.room import ROOM_S, Room, used_bytes
from edgeproxy.store.sqlite.transaction import transaction
from tests.contract.store_world import entry
from tests.until import until

VIEWS = frozenset({"PAGE_VIEW", "LIST_VIEW"})


@pytest.fixture
def db(tmp_path: Path) -> Iterator[apsw.Connection]:
    (tmp_path / "edge.db").touch()
    made = connect(tmp_path / "edge.db")
    yield made
    made.close()


def room(tmp_path: Path, max_bytes: int) -> Room:
    limits = Limits(max_bytes=max_bytes, reserve_bytes=0)
    return Room(tmp_path / "edge.db", limits, low_value=VIEWS)


def views(*names: str) -> list[Item]:
    return [Item((replace(entry(), name=name),)) for name in names]


@pytest.mark.parametrize(
    ("level", "items", "taken"),
    [
        (Level.WARN, views("PAGE_VIEW"), True),
        (Level.SCARCE, views("PAGE_VIEW"), False),
        (Level.SCARCE, views("PAGE_VIEW", "LIST_VIEW"), False),
        (Level.SCARCE, views("PAGE_VIEW", "PURCHASE"), True),
        (Level.SCARCE, [Item((), Binding(visitor=b"v" * 16))], True),
        (Level.FULL, views("PURCHASE"), False),
        (Level.FULL, [Item((), Binding(visitor=b"v" * 16))], False),
    ],
)
def test_views_are_refused_first(
    tmp_path: Path, level: Level, items: list[Item], taken: bool
) -> None:
    assert room(tmp_path, 1).admits(level, items) is taken


def test_the_level_is_looked_up_again_after_a_while(tmp_path: Path, db: apsw.Connection) -> None:
    empty = used_bytes(db)
    asked = room(tmp_path, 2 * empty)
    assert asked.level(db) is Level.PLENTY
    with db:
        db.execute("INSERT INTO meta VALUES ('big', ?)", ("x" * empty,))
    until(lambda: asked.level(db) is Level.FULL, f"it is asked again after {ROOM_S} s")


def test_the_database_grows_no_further_than_its_limit(tmp_path: Path, db: apsw.Connection) -> None:
    room(tmp_path, 4_000_000).bound(db)
    with pytest.raises(apsw.FullError), transaction(db):
        db.execute("INSERT INTO meta VALUES ('big', ?)", ("x" * 4_000_000,))
    assert db.pragma("page_count") * db.pragma("page_size") <= 4_000_000


def test_a_limit_below_what_is_there_leaves_room_for_bookkeeping(
    tmp_path: Path, db: apsw.Connection
) -> None:
    room(tmp_path, 1).bound(db)
    with db:
        db.execute("INSERT INTO meta VALUES ('small', ?)", ("x" * 100_000,))


def test_what_a_transaction_wrote_is_too_much_when_bookkeeping_would_not_fit(
    tmp_path: Path, db: apsw.Connection
) -> None:
    most = room(tmp_path, 4_000_000)
    assert not most.overrun(db)
    with db:
        db.execute("INSERT INTO meta VALUES ('big', ?)", ("x" * 3_900_000,))
        assert most.overrun(db)
