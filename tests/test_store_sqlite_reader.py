"""Looking into a SQLite store from outside; what it answers is in the store's contract."""

import asyncio
from pathlib import Path

import apsw
import pytest

from edgeproxy.errors import ConfigError, Failed, StoreBusy
from edgeproxy.store.sqlite.reader import SqliteReader
from tests.books import SHOP, Books
from tests.fakes import Clock


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path)


def opened(books: Books) -> SqliteReader:
    return SqliteReader.open(str(books.path), now_ms=Clock())


def test_it_makes_nothing_where_nothing_is(books: Books) -> None:
    with pytest.raises(Failed, match="there is no store at"):
        opened(books)
    assert list(books.path.parent.iterdir()) == []
    books.path.write_bytes(b"")
    with pytest.raises(Failed, match="there is no store at"):
        opened(books)


def test_it_writes_nothing(books: Books) -> None:
    books.put(1)
    reader = opened(books)
    with pytest.raises(apsw.ReadOnlyError):
        reader._db.execute("UPDATE meta SET value = value")
    reader._db.close()


def test_what_cannot_be_read_says_why(books: Books) -> None:
    books.path.mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        opened(books)
    inside = Books(books.path / ("x" * 300))
    with pytest.raises(ConfigError, match="File name too long"):
        opened(inside)


def test_a_store_in_the_middle_of_something_is_busy(books: Books) -> None:
    books.put(1)
    other = apsw.Connection(str(books.path))
    for sql in ("PRAGMA locking_mode = EXCLUSIVE", "UPDATE meta SET value = value"):
        other.execute(sql).fetchall()
    held = apsw.Connection(str(books.path), flags=apsw.SQLITE_OPEN_READONLY)
    with pytest.raises(StoreBusy):
        asyncio.run(SqliteReader(held, Clock()).gate(SHOP))
    held.close()
    other.close()
