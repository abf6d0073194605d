"""PostgreSQL's errors, sorted by what follows from them, and what callers are told of each."""

import psycopg
from psycopg import errors

from edgeproxy.errors import StoreBusy

AGAIN = (errors.SerializationFailure, errors.DeadlockDetected)
"""The server undid the transaction and asks for another try."""

CROWDED = (
    errors.DiskFull,
    errors.LockNotAvailable,
    errors.OutOfMemory,
    errors.TooManyConnections,
    errors.ConfigurationLimitExceeded,
    errors.QueryCanceled,
)
"""Nothing was written, and the connection is good."""

LOST = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.ReadOnlySqlTransaction,  # it has become a standby
)
"""The connection is of no use. `AGAIN` and `CROWDED` are of these classes too: sort those out
first."""

_SOON_S = 2  # the store adds up to eight more, so that callers do not come back as one


def unreachable() -> StoreBusy:
    """There is no connection."""
    return _busy("store_unreachable", "The database cannot be reached just now.")


def unknown() -> StoreBusy:
    """The connection was lost while a commit was under way: it may have happened."""
    return _busy("store_unknown", "The database was lost while it stored; send it again.")


def unreplicated() -> StoreBusy:
    """Committed on this server only; another one may take its place without it."""
    return _busy("store_unreplicated", "The standby did not confirm; send it again.")


def slow() -> StoreBusy:
    """It goes on, but its caller is told to come back."""
    return _busy("store_slow", "The database takes too long; send it again.")


def closed() -> StoreBusy:
    """This store was closed."""
    return _busy("store_closed", "The store is shutting down.")


def crowded() -> StoreBusy:
    """Too much waits, or too many want the same rows."""
    return _busy("store_busy", "Too many events wait to be stored; come back soon.")


def told(error: psycopg.Error) -> StoreBusy | None:
    """What the caller is told; None for faults of what was to be stored, not of the server."""
    if isinstance(error, errors.DiskFull):
        return StoreBusy("store_full", "The database has no room for events.", retry_after_s=30)
    if isinstance(error, AGAIN):
        return crowded()
    if isinstance(error, CROWDED):
        return _busy("store_locked", "The database is locked; nothing was stored.")
    if isinstance(error, LOST):
        return unreachable()
    if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
        return None
    return _busy("store_failed", "The database refuses to store; it needs its operator.")


def _busy(code: str, message: str) -> StoreBusy:
    return StoreBusy(code, message, retry_after_s=_SOON_S)
