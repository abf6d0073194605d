"""Transactions and savepoints of apsw, whose own context manager hides the error that matters.

After some errors (full disk, I/O) SQLite has rolled back by itself; rolling back once more fails,
and that failure would take the place of the first.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import apsw


@contextmanager
def transaction(db: apsw.Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    """Commit at the end, or roll back and let the error out.

    IMMEDIATE, because one that reads first and writes then meets SQLITE_BUSY in spite of the
    busy timeout.
    """
    db.execute(begin)
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def savepoint(db: apsw.Connection) -> Iterator[None]:
    """Keep what was done inside, or undo just that and let the error out."""
    db.execute("SAVEPOINT one")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK TO one; RELEASE one")
        raise
    db.execute("RELEASE one")
