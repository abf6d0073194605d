"""What a PostgreSQL server must be before events are entrusted to it, and our tables in it."""

import secrets
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import errors

from edgeproxy.errors import ConfigError
from edgeproxy.store.migrate import Step, migrate, steps
from edgeproxy.store.postgres.link import Db

OLDEST = 140_000
"""Versions are tested from here on."""

_PAUSE_S = 0.05
_TRIES = 40

# At the very first start nodes may collide in the catalogue in spite of IF NOT EXISTS.
_COLLIDED = (
    errors.UniqueViolation,
    errors.DuplicateTable,
    errors.DuplicateObject,
    errors.SerializationFailure,
    errors.DeadlockDetected,
)
_META = "CREATE TABLE IF NOT EXISTS meta (name text PRIMARY KEY, value text NOT NULL)"
_FIRST = "INSERT INTO meta (name, value) VALUES ('schema', '0') ON CONFLICT DO NOTHING"
_NAME = "INSERT INTO meta (name, value) VALUES ('store', %s) ON CONFLICT DO NOTHING"
_CHECKED = "INSERT INTO meta (name, value) VALUES ('checked', '0') ON CONFLICT DO NOTHING"
_VERSION = "SELECT value FROM meta WHERE name = 'schema'"
_FACTS = """
SELECT coalesce(current_setting('fsync', true), 'on'),
  coalesce(current_setting('full_page_writes', true), 'on'),
  current_setting('synchronous_standby_names', true),
  coalesce(current_setting('server_version_num', true), '0')
"""

# Asked for where the server knows them; nothing depends on them but speed.
_TUNED = (
    "ALTER TABLE outbox SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02)",
    "ALTER TABLE seen SET (autovacuum_vacuum_scale_factor = 0.02)",
)


def fault(text: str) -> ConfigError:
    """A ConfigError about the place that `store.url` names."""
    return ConfigError([("store.url", text)])


def examine(db: Db, *, managed: bool, warn: Callable[[str], None]) -> None:
    """Refuse a server that would lose what it committed; warn of one that may.

    Args:
        db: A connection to it.
        managed: Whether its operator vouches for the storage below it.
        warn: Takes a sentence.

    Raises:
        ConfigError: It does not sync, or could not recover from a torn page.
    """
    fsync, full_page_writes, standbys, version = _row(db.execute(_FACTS))
    for name, value in (("fsync", fsync), ("full_page_writes", full_page_writes)):
        if value == "off":
            raise fault(
                f"names a server with {name} = off, which loses committed events when it crashes;"
                f" set {name} = on"
            )
    if standbys == "" and not managed:
        warn(
            "PostgreSQL has no synchronous standby: a failover may lose the last events that were"
            " acknowledged; set synchronous_standby_names, or store.durability = managed when the"
            " storage below it is replicated"
        )
    if 0 < int(version) < OLDEST:
        warn(f"PostgreSQL {int(version) // 10_000} is older than what is tested: use 14 or later")


def upgrade(db: Db) -> None:
    """Bring the tables up to date; several nodes may do it at the same moment.

    Raises:
        ConfigError: They were made by a later version, or this role may not make them.
    """
    for attempt in range(_TRIES):
        try:
            db.execute(_META)
            db.execute(_FIRST)
            migrate(Tables(db), steps("postgres"))
            db.execute(_NAME, (secrets.token_hex(16),))
            db.execute(_CHECKED)
            break
        except _COLLIDED:
            if attempt == _TRIES - 1:
                raise
            time.sleep(_PAUSE_S)
        except errors.InsufficientPrivilege as error:
            raise fault(f"names a role that may not make tables: {told(error)}") from None


def told(error: psycopg.Error) -> str:
    """The first line of what the server said; it never repeats a password."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class Tables:
    """Our tables, as `migrate` sees them."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def version(self) -> int:
        """See `Database.version`."""
        return int(_row(self._db.execute(_VERSION))[0])

    def apply(self, step: Step) -> None:
        """See `Database.apply`; of several nodes at one step, one takes it."""
        with self._db.transaction():
            locked = self._db.execute(_VERSION + " FOR UPDATE")
            if int(_row(locked)[0]) >= step.number:
                return  # another node was first
            self._db.execute(step.sql)
            self._db.execute(
                "UPDATE meta SET value = %s WHERE name = 'schema'", (str(step.number),)
            )
        for sql in _TUNED:
            try:
                self._db.execute(sql)
            except psycopg.Error:
                continue


def _row(cursor: "psycopg.Cursor[tuple[Any, ...]]") -> tuple[Any, ...]:
    row = cursor.fetchone()
    assert row is not None  # noqa: S101 - each of these queries gives one
    return row
