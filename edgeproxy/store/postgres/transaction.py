"""One transaction: statements sent ahead, the database's clock, the commit, and trying again.

Statements go out in bursts (a pipeline): what gives no rows waits for the next that does, or for
the commit. So a group of appends is two round trips, the second of which carries the commit.

Each burst ends with a Sync, so that the server knows that it is our turn: only then does it end the
transaction of a node that has stopped in the middle, and let others have its rows.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import psycopg

from edgeproxy.errors import StoreBusy
from edgeproxy.store.postgres import faults
from edgeproxy.store.postgres.link import Db, Link

NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
"""The database's clock in Unix ms; the clocks of nodes do not matter."""

TRIES = 6

_PAUSE_S = 0.01

# Settings of the transaction, not of the session: under a pooler the next transaction of ours
# has another session. A node that stops in the middle must not keep others from its rows, and a
# server asks by itself whether one that is silent is still there: its default is two hours.
_SETTINGS = {
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "10s",
}
_SETTINGS_WHERE_KNOWN = {
    "transaction_timeout": "60s",  # PostgreSQL 17
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


def _settings() -> Iterator[str]:
    yield "set_config('synchronous_commit', %s, true)"
    for name, value in _SETTINGS.items():
        yield f"set_config('{name}', '{value}', true)"
    for name, value in _SETTINGS_WHERE_KNOWN.items():
        known = f"current_setting('{name}', true) IS NOT NULL"
        yield f"CASE WHEN {known} THEN set_config('{name}', '{value}', true) END"


_BEGIN = f"SELECT {NOW}, {', '.join(_settings())}"
_BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

Params = Sequence[Any] | dict[str, Any]
T = TypeVar("T")


class Ticking(Protocol):
    """Told the database's clock by every transaction that writes."""

    def tick(self, tx: "Tx", now_ms: int) -> None:
        """At the beginning of a transaction; it may do something in it."""

    def passed(self, now_ms: int) -> None:
        """The transaction of a `tick` is committed."""


class Asked:
    """A statement that goes out in its turn; `rows` waits for the answer."""

    def __init__(self, tx: "Tx", sql: str, params: Params) -> None:
        self._tx = tx
        self._statement = sql, params
        self._sent: psycopg.Cursor[Any] | None = None

    def send(self, db: Db) -> None:
        """Let it go out."""
        self._sent = db.execute(*self._statement, binary=True)

    def rows(self) -> list[Any]:
        """All its rows."""
        if self._sent is None:
            self._tx.wait()
        assert self._sent is not None  # noqa: S101 - for the type checker
        return self._sent.fetchall()


class Tx:
    """A transaction under way."""

    def __init__(
        self,
        db: Db,
        pipeline: psycopg.Pipeline,
        began: "psycopg.Cursor[Any]",
        clock: Ticking | None = None,
    ) -> None:
        self._db = db
        self._pipeline = pipeline
        self._began = began
        self._clock = clock
        self._now_ms = 0
        self._unsent: list[Asked] = []

    @property
    def now_ms(self) -> int:
        """The database's clock as the transaction began."""
        if not self._now_ms:
            self.wait()
            (self._now_ms, *_) = self._began.fetchone() or (0,)
            if self._clock is not None:
                self._clock.tick(self, self._now_ms)
        return self._now_ms

    def execute(self, sql: str, params: Params = ()) -> Asked:
        """Do a statement in its turn."""
        asked = Asked(self, sql, params)
        self._unsent.append(asked)
        return asked

    def send(self) -> None:
        """Let all statements go out."""
        for asked in self._unsent:
            asked.send(self._db)
        self._unsent.clear()

    def wait(self) -> None:
        """Let all statements go out, and wait until the server has done them."""
        self.send()
        self._pipeline.sync()

    def rows(self, sql: str, params: Params = ()) -> list[Any]:
        """All rows of a query."""
        return self.execute(sql, params).rows()

    def one(self, sql: str, params: Params = ()) -> Any:
        """The first row of a query, or None."""
        return next(iter(self.rows(sql, params)), None)

    def count(self, sql: str, params: Params = ()) -> int:
        """The number that a query gives."""
        return int(self.one(sql, params)[0])


Work = Callable[[Tx], T]
"""Something to do inside a transaction. It may be done again when the transaction is."""


def write(link: Link, work: Work[T], clock: Ticking, sync: str = "on") -> T:
    """Do the work in a transaction; durable when this returns.

    Args:
        link: Where.
        work: What.
        clock: Told the time.
        sync: `synchronous_commit`: "on" waits for the standby, "local" for this server's disk.

    Raises:
        StoreBusy: Nothing was written, or it is not known.
        Exception: What the work raised, and `psycopg.Error` for what cannot be stored as it is.
    """
    lost = 0
    for attempt in range(TRIES):
        commit = Commit()
        try:
            return _write_once(link, work, clock, sync, commit)
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
    clock: Ticking,
    sync: str,
    commit: Commit,
) -> T:
    db = link.use()
    link.unreplicated = False
    with _undone(link, db):
        with db.pipeline() as pipeline:
            db.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            tx = Tx(db, pipeline, db.execute(_BEGIN, (sync,), binary=True), clock)
            result = work(tx)
            assert tx.now_ms  # noqa: S101 - asked for, so that a clock set back is noticed
            tx.send()
            commit.sent = True
            committed = db.execute("COMMIT")
        if committed.statusmessage != "COMMIT":
            raise faults.unknown()
    clock.passed(tx.now_ms)
    if link.unreplicated and sync == "on":
        raise faults.unreplicated()
    return result


def read(link: Link, work: Work[T]) -> T:
    """Answer a question from one snapshot, on a new connection if the one at hand was lost."""
    for attempt in range(2):
        db = link.use()
        try:
            with _undone(link, db), db.pipeline() as pipeline:
                db.execute(_BEGIN_READ)
                tx = Tx(db, pipeline, db.execute(f"SELECT {NOW}", binary=True))
                result = work(tx)
                tx.send()
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
