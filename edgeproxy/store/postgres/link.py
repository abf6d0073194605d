"""A connection to PostgreSQL that belongs to one thread: made when needed, made again when lost."""

import contextlib
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from edgeproxy.errors import ConfigError
from edgeproxy.store.postgres.faults import unreachable

DEFAULTS = {
    "application_name": "edgeproxy",
    "connect_timeout": "5",
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "target_session_attrs": "read-write",
}
"""What the URL does not say. A peer that is gone is noticed within 30 s, whether we wait for an
answer (keepalives) or for data to be taken (user timeout); a standby is not written to."""

_BACK_OFF_S = (0.1, 3.0)

# "canceling wait for synchronous replication", by a cancel request or by a server that stops, is
# a warning after a commit that looks like any other. Told by the code, as the text is in the
# server's language; statements of ours cause no other warning.
_CANCELED = ("01000", "57014", "57P01")

Db = psycopg.Connection[tuple[Any, ...]]

logging.getLogger("psycopg").setLevel(logging.ERROR)  # a lost connection is told by who used it


def conninfo(url: str) -> str:
    """The connection string of a URL, with our defaults; raises `psycopg.ProgrammingError`."""
    return make_conninfo("", **{**DEFAULTS, **conninfo_to_dict(url)})


def place(url: str) -> str:
    """Where a URL points, for people: host, port and database, never user or password."""
    parts = conninfo_to_dict(url)
    where = ", ".join(
        str(parts[name]) for name in ("host", "hostaddr", "port", "dbname") if parts.get(name)
    )
    return where or "the default server"


class Link:
    """Used by one thread, except for `cut`.

    Args:
        dsn: A connection string.
        examine: Called with each new connection; what it raises ends that connection.
    """

    def __init__(self, dsn: str, examine: Callable[[Db], None] | None = None) -> None:
        self._dsn = dsn
        self._examine = examine
        self._db: Db | None = None
        self._fd = -1
        self._not_before_s = 0.0
        self._wait_s = 0.0
        self._ended = False
        self.unreplicated = False
        """Whether a commit since this was last cleared may be known to this server only."""

    def use(self) -> Db:
        """The connection.

        Raises:
            StoreBusy: There is none, and it is too soon to try again, or trying failed.
        """
        if self._db is not None and not self._db.closed:
            return self._db
        self.drop()
        if self._ended or time.monotonic() < self._not_before_s:
            raise unreachable()
        try:
            self._db = self.connect()
        except (psycopg.Error, ConfigError) as error:
            self._wait_s = min(max(2 * self._wait_s, _BACK_OFF_S[0]), _BACK_OFF_S[1])
            self._not_before_s = time.monotonic() + self._wait_s
            raise unreachable() from error
        self._wait_s = 0.0
        return self._db

    def connect(self) -> Db:
        """A new connection, examined."""
        # No prepared statements: a pooler gives every transaction another session.
        db = psycopg.connect(self._dsn, autocommit=True, prepare_threshold=None)
        try:
            db.add_notice_handler(self._notice)
            if self._examine is not None:
                self._examine(db)
        except BaseException:
            db.close()
            raise
        self._fd = db.fileno()
        return db

    def drop(self) -> None:
        """Close the connection; the next use makes another one."""
        self._fd = -1
        if self._db is not None:
            with contextlib.suppress(psycopg.Error):
                self._db.close()
            self._db = None

    def cut(self) -> None:
        """From another thread: end whatever the connection is waiting for, and make no other."""
        self._ended = True
        if self._fd >= 0:
            with contextlib.suppress(OSError), _borrowed(self._fd) as borrowed:
                borrowed.shutdown(socket.SHUT_RDWR)

    def _notice(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.sqlstate in _CANCELED:
            self.unreplicated = True


@contextlib.contextmanager
def _borrowed(fd: int) -> Any:
    borrowed = socket.socket(fileno=fd)
    try:
        yield borrowed
    finally:
        borrowed.detach()
