"""One transaction: statements sent ahead, the database's clock, the commit, and trying again.

Statements go out without waiting (a pipeline); asking for rows waits for all that was sent. So a
group of appends is two round trips, the second of which carries the commit.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import psycopg

from edgeproxy.errors import StoreBusy
from edgeproxy.store.postgres import faults
from edgeproxy.store.postgres.link import Db, Link

NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
"""The database's clock in Unix ms; the clocks of nodes do not matter."""

TRIES = 6

_PAUSE_S = 0.01
_CLOCK_STEP_MS = 1000
"""A clock that goes back further was set, not just corrected."""

# Settings of the transaction, not of the session: under a pooler the next transaction of ours
# has another session. A node that stops in the middle must not keep others from its rows.
_BEGIN = f"""
SELECT {NOW}, set_config('synchronous_commit', %s, true), set_config('lock_timeout', '5s', true),
  set_config('idle_in_transaction_session_timeout', '10s', true)
"""
_BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

Params = Sequence[Any] | dict[str, Any]
T = TypeVar("T")


class Clock:
    """The latest time at which this store wrote, over all its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest_ms = 0

    def was_set_back(self, now_ms: int) -> bool:
        """Note a time; whether the clock was set back since the last one."""
        with self._lock:
            back = now_ms < self._latest_ms - _CLOCK_STEP_MS
            self._latest_ms = now_ms
            return back


class Tx:
    """A transaction under way."""

    def __init__(self, db: Db, began: "psycopg.Cursor[Any]", on_now: Callable[["Tx", int], None]):
        self._db = db
        self._began = began
        self._on_now = on_now
        self._now_ms = 0

    @property
    def now_ms(self) -> int:
        """The database's clock as the transaction began."""
        if not self._now_ms:
            (self._now_ms, *_) = self._began.fetchone() or (0,)
            self._on_now(self, self._now_ms)
        return self._now_ms

    def execute(self, sql: str, params: Params = ()) -> "psycopg.Cursor[Any]":
        """Send a statement; its rows are there when they are asked for."""
        return self._db.execute(sql, params, binary=True)

    def rows(self, sql: str, params: Params = ()) -> list[Any]:
        """All rows of a query."""
        return self.execute(sql, params).fetchall()

    def one(self, sql: str, params: Params = ()) -> Any:
        """The first row of a query, or None."""
        return self.execute(sql, params).fetchone()

    def count(self, sql: str, params: Params = ()) -> int:
        """The number that a query gives."""
        return int(self.one(sql, params)[0])


Work = Callable[[Tx], T]
"""Something to do inside a transaction. It may be done again when the transaction is."""


def write(link: Link, work: Work[T], on_now: Callable[[Tx, int], None], sync: str = "on") -> T:
    """Do the work in a transaction; durable when this returns.

    Args:
        link: Where.
        work: What.
        on_now: Called with the clock once it is known.
        sync: `synchronous_commit`: "on" waits for the standby, "local" for this server's disk.

    Raises:
        StoreBusy: Nothing was written, or it is not known.
        Exception: What the work raised, and `psycopg.Error` for what cannot be stored as it is.
    """
    lost = 0
    for attempt in range(TRIES):
        commit = Commit()
        try:
            return _write_once(link, work, on_now, sync, commit)
        except faults.AGAIN:
            time.sleep(_PAUSE_S * 2**attempt)
        except (*faults.CROWDED, psycopg.DataError, psycopg.IntegrityError):
            raise
        except faults.LOST as error:
            link.drop()
            if commit.sent:
                raise faults.unknown() from error
            lost += 1  # nothing was committed, so it may be done again on a new connection
            if lost > 1:
                raise
    raise faults.crowded()


class Commit:
    """Whether a commit was sent: from then on a lost connection may mean either."""

    sent = False


def _write_once(
    link: Link,
    work: Work[T],
    on_now: Callable[[Tx, int], None],
    sync: str,
    commit: Commit,
) -> T:
    db = link.use()
    link.unreplicated = False
    with _undone(link, db):
        with db.pipeline():
            db.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            tx = Tx(db, db.execute(_BEGIN, (sync,), binary=True), on_now)
            result = work(tx)
            assert tx.now_ms  # noqa: S101 - asked for, so that a clock set back is noticed
            commit.sent = True
            committed = db.execute("COMMIT")
        if committed.statusmessage != "COMMIT":
            raise faults.unknown()
    if link.unreplicated and sync == "on":
        raise faults.unreplicated()
    return result


def read(link: Link, work: Work[T]) -> T:
    """Answer a question from one snapshot, on a new connection if the one at hand was lost."""
    for attempt in range(2):
        db = link.use()
        try:
            with _undone(link, db), db.pipeline():
                db.execute(_BEGIN_READ)
                result = work(Tx(db, db.execute(f"SELECT {NOW}", binary=True), lambda *_: None))
                db.execute("COMMIT")
        except (*faults.AGAIN, *faults.CROWDED):
            raise
        except faults.LOST:
            link.drop()
            if attempt:
                raise
        else:
            return result
    raise faults.unreachable()


@contextlib.contextmanager
def _undone(link: Link, db: Db) -> Iterator[None]:
    """Roll back when the block fails; without a working connection the server does it."""
    try:
        yield
    except BaseException:
        try:
            if not db.closed:
                db.execute("ROLLBACK")
        except psycopg.Error:
            link.drop()
        raise


def known_faults(work: Callable[[], T]) -> T:
    """Call, and turn errors of the server into `StoreBusy`."""
    try:
        return work()
    except psycopg.Error as error:
        busy: StoreBusy | None = faults.told(error)
        if busy is None:
            raise
        raise busy from error
