"""The journal's tables in PostgreSQL, and transactions on them.

Every writer takes the one row of `journal_beat` first: that keeps changes in the order in which
readers see them, and two nodes from waiting for each other's rows.
"""

import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any, TypeVar

from psycopg import errors

from edgeproxy.errors import ConfigError
from edgeproxy.store.postgres import faults
from edgeproxy.store.postgres.link import Db, Link

VERSION = 2
"""Of the tables. Those of an older version are made anew: nothing in them is promised."""

TABLES = ("beat", "shape", "trace", "step", "gone", "label", "tally")

_BEGIN = """
SELECT set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '2s', true),
  set_config('statement_timeout', '5s', true),
  set_config('idle_in_transaction_session_timeout', '10s', true)
"""
_LOCK = "SELECT 1 FROM journal_beat FOR UPDATE"

# What is read in an order is read from an index that has it, a page's worth. A planner that knows
# too little of the tables, as in a database that was just restored, would rather sort all of them;
# and compile the statement for as long as all of it may take.
_BEGIN_READING = """
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL enable_sort = off;
SET LOCAL jit = off
"""
_THERE = "SELECT to_regclass('journal_beat') IS NOT NULL"
_VERSION = "SELECT version FROM journal_beat"
_TRIES = 20
_PAUSE_S = 0.05

# Nodes may collide at the very first start.
_COLLIDED = (
    errors.UniqueViolation,
    errors.DuplicateTable,
    errors.DuplicateObject,
    errors.UndefinedTable,
    errors.SerializationFailure,
    errors.DeadlockDetected,
)

T = TypeVar("T")


def prepare(db: Db) -> None:
    """Make the tables where they are missing or old.

    Raises:
        ConfigError: They are of a later version.
        psycopg.Error: They cannot be made.
    """
    for attempt in range(_TRIES):
        try:
            with db.transaction():
                _prepare(db)
            return
        except _COLLIDED:
            if attempt == _TRIES - 1:
                raise
            time.sleep(_PAUSE_S)


def _prepare(db: Db) -> None:
    if not _one(db, _THERE):
        _make(db)  # of two nodes at this step, one finds that the other was first
        return
    found = _one(db, _VERSION)
    if found is None:
        raise _fault("holds a table journal_beat that is not of this program")
    if found > VERSION:
        raise _fault("holds a journal of a later version of this program: use that")
    if found < VERSION:
        db.execute("LOCK TABLE journal_beat IN ACCESS EXCLUSIVE MODE")
        if _one(db, _VERSION) == found:
            for name in TABLES:
                db.execute(f"DROP TABLE IF EXISTS journal_{name}")
            _make(db)


def _make(db: Db) -> None:
    db.execute(files("edgeproxy.journal").joinpath("schema", "postgres.sql").read_text())
    db.execute("UPDATE journal_beat SET version = %s", (VERSION,))


def writing(link: Link, work: Callable[[Db], T]) -> T:
    """Do the work in a transaction that excludes other writers; not synced, not replicated."""
    db = link.use()
    try:
        with db.transaction():
            db.execute(_BEGIN)
            db.execute(_LOCK)
            return work(db)
    except (*faults.AGAIN, *faults.CROWDED):
        raise
    except faults.LOST:
        link.drop()
        raise


def reading(link: Link, work: Callable[[Db], T]) -> T:
    """Answer a question from one snapshot, on a new connection if the one at hand was lost."""
    for last in (False, True):
        db = link.use()
        try:
            with db.transaction():
                db.execute(_BEGIN_READING)
                return work(db)
        except (*faults.AGAIN, *faults.CROWDED):
            raise
        except faults.LOST:
            link.drop()
            if last:
                raise
    raise faults.unreachable()


def _one(db: Db, sql: str) -> Any:
    return next((value for (value,) in db.execute(sql)), None)


def _fault(text: str) -> ConfigError:
    return ConfigError([("store.url", text)])
