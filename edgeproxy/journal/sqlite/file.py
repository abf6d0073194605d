"""The journal's file: made, opened, and thrown away when it cannot be used any more.

It may be thrown away, because nothing in it is promised. It is not put aside: nobody could erase a
visitor in it there.
"""

import contextlib
import os
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import apsw

from edgeproxy.store.filelock import FileLock
from edgeproxy.store.sqlite.damage import DAMAGED, close_untouched
from edgeproxy.store.sqlite.transaction import transaction

VERSION = 1
"""Of the tables. A journal of an older version is begun anew."""

_WRITER = (
    "busy_timeout = 500",
    "page_size = 8192",
    "auto_vacuum = incremental",
    "journal_mode = wal",
    "synchronous = normal",
    "secure_delete = fast",
    "journal_size_limit = 4194304",
    "temp_store = memory",
    "cache_size = -500",
)
_READER = ("busy_timeout = 500", "query_only = on", "wal_autocheckpoint = 0", "cache_size = -500")
_SHARED = ("trusted_schema = off", "cell_size_check = on", "mmap_size = 0")
_LOCK_S = 2.0
_PARTS = ("", "-wal", "-shm")


class Newer(Exception):
    """The journal was made by a later version of this program."""


class JournalFile:
    """A connection that notices when its file is not the file any more. Used by one thread.

    Args:
        path: The journal.
        readonly: Makes nothing.
    """

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self._path = path
        self._readonly = readonly
        self._db: apsw.Connection | None = None
        self._is: tuple[int, int] | None = None

    def use(self) -> apsw.Connection:
        """The connection, made when there is none, or when another process began a new file.

        Raises:
            apsw.Error, OSError: It cannot be used.
            Newer: Its tables are not known here.
        """
        if self._db is not None and self._is == _identity(self._path):
            return self._db
        self.drop()
        if not self._readonly:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_private(self._path)
        self._is = _identity(self._path)
        self._db = self._connect()
        return self._db

    def _connect(self) -> apsw.Connection:
        flags = apsw.SQLITE_OPEN_READONLY if self._readonly else apsw.SQLITE_OPEN_READWRITE
        db = apsw.Connection(str(self._path), flags=flags)
        try:
            for pragma in (*(_READER if self._readonly else _WRITER), *_SHARED):
                db.execute(f"PRAGMA {pragma}").fetchall()
            if not self._readonly:
                _make_tables(db)
            _refuse_other(db)
        except BaseException:
            close_untouched(db)
            raise
        return db

    def drop(self) -> None:
        """Close the connection as if it had never been: the file may be another one's by now."""
        if self._db is not None:
            db, self._db = self._db, None
            with contextlib.suppress(apsw.Error):
                close_untouched(db)

    def close(self) -> None:
        """Close the connection in an orderly way, if it is still that of the file."""
        if self._db is not None and self._is == _identity(self._path):
            db, self._db = self._db, None
            with contextlib.suppress(apsw.Error):
                db.close()
        self.drop()

    def throw_away(self) -> None:
        """Remove the file, unless another process has done so already.

        Raises:
            OSError: It cannot be removed.
        """
        mine = self._is or _identity(self._path)
        self.drop()
        lock = FileLock(self._path.with_name(self._path.name + ".lock"))
        try:
            if lock.acquire(_LOCK_S) and _identity(self._path) == mine:
                for part in _PARTS:
                    self._path.with_name(self._path.name + part).unlink(missing_ok=True)
        finally:
            lock.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _make_private(path: Path) -> None:
    # Only a file that is not there: closing any descriptor of a database drops SQLite's locks.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _make_tables(db: apsw.Connection) -> None:
    if db.pragma("user_version"):
        return
    with transaction(db):
        if not db.pragma("user_version"):  # of two processes at one step, one takes it
            db.execute(files("edgeproxy.journal").joinpath("schema", "sqlite.sql").read_text())
            db.execute(f"PRAGMA user_version = {VERSION}")


def _refuse_other(db: apsw.Connection) -> None:
    found = int(db.pragma("user_version"))
    if found > VERSION:
        raise Newer
    if found < VERSION:
        raise apsw.CorruptError("an older version")


Say = Callable[..., None]
"""Writes a line: level, event, fields."""

UNUSABLE = DAMAGED
"""What makes a file good for nothing but to be thrown away."""
