"""Where the store of a run lies, and the faults that only this engine has."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

import apsw
import psycopg

from tests import postgres
from tests.chaos.lines import LINES, spoilt
from tests.proxy import Proxy, proxy_thread


class Place(Protocol):
    """One store's place.

    Attributes:
        url: As in `store.url`.
        folders: Whatever is written there must hold no secret; the first is the store's own.
        faults: Names of faults, see `faults.FAULTS`, that this place adds to the common ones.
        nodes: How many proxies work on it.
    """

    @property
    def url(self) -> str: ...
    @property
    def folders(self) -> Sequence[Path]: ...
    @property
    def faults(self) -> Sequence[str]: ...
    @property
    def nodes(self) -> int: ...

    def locked(self) -> AbstractContextManager[bool]:
        """Keep every writer waiting for the length of the block; False when that failed."""
        ...


class SqlitePlace:
    """A file on this machine."""

    faults = ("disk full", "disk tight", "store locked", "file too large")
    nodes = 1

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store" / "edge.db"
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        self.url = f"sqlite://{self.path}"
        self.folders: tuple[Path, ...] = (self.path.parent,)

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """A foreign program keeps a write transaction open, unless a frozen proxy has one."""
        db = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            db.set_busy_timeout(500)
            with suppress(apsw.BusyError):
                db.execute("BEGIN IMMEDIATE")
            yield db.in_transaction
        finally:
            db.close()


class PostgresPlace:
    """A primary and its synchronous standby, behind a line that can be bad.

    Args:
        folder: Of the run.
        primary: Started.
        line: From the proxies to the primary.
    """

    faults = (
        "store locked",
        *(f"database {name}" for name in ("restart", "failover", "alone", *LINES)),
    )
    nodes = 2

    def __init__(self, folder: Path, primary: postgres.Server, line: Proxy) -> None:
        self.primary = primary
        self.standby = primary.standby()
        self.line = line
        self.url = primary.url(port=line.port)
        self.failovers = 0
        self._folder = folder

    @property
    def folders(self) -> tuple[Path, ...]:
        """Of the servers that are there now."""
        return (self._folder, self.primary.data, self.standby.data)

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """A foreign program keeps the queue locked."""
        with psycopg.connect(self.primary.url()) as db:
            try:
                db.execute("SET lock_timeout = '500ms'")
                db.execute("LOCK TABLE outbox IN EXCLUSIVE MODE")
            except psycopg.Error:
                yield False
            else:
                yield True
            with suppress(psycopg.Error):
                db.rollback()

    def fail_over(self) -> None:
        """kill -9 of the primary; the standby takes its place, and gets a standby of its own."""
        gone, self.primary = self.primary, self.standby
        gone.kill()
        self.primary.promote()
        self.line.target = ("127.0.0.1", self.primary.port)
        self.line.reset_all()
        self.standby = self.primary.standby()
        gone.end()
        self.failovers += 1

    def end(self) -> None:
        """Remove the servers; the first primary's owner may remove it again."""
        self.standby.end()
        self.primary.end()


@contextmanager
def _sqlite(folder: Path) -> Iterator[Place]:
    yield SqlitePlace(folder)


@contextmanager
def _postgres(folder: Path) -> Iterator[Place]:
    primary = postgres.Server().make().start()
    with proxy_thread("127.0.0.1", primary.port) as line:
        place = PostgresPlace(folder, primary, line)
        try:
            yield place
        finally:
            place.end()


PLACES: dict[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "sqlite": _sqlite,
    "postgres": _postgres,
}
"""Engine → its place for the length of a block."""


@contextmanager
def _restart(place: Place, rng: random.Random) -> Iterator[None]:
    assert isinstance(place, PostgresPlace)
    place.primary.kill()
    yield
    place.primary.start()


@contextmanager
def _fail_over(place: Place, rng: random.Random) -> Iterator[None]:
    assert isinstance(place, PostgresPlace)
    place.fail_over()
    yield


@contextmanager
def _alone(place: Place, rng: random.Random) -> Iterator[None]:
    """The standby is gone for a while: nothing may be acknowledged without it."""
    assert isinstance(place, PostgresPlace)
    place.standby.kill()
    yield
    place.standby.start()


@contextmanager
def _bad_line(name: str, place: Place, rng: random.Random) -> Iterator[None]:
    assert isinstance(place, PostgresPlace)
    with spoilt(place.line, LINES[name](rng)):
        yield


def _on_line(name: str) -> Callable[[Place, random.Random], AbstractContextManager[None]]:
    return lambda place, rng: _bad_line(name, place, rng)


DATABASE: dict[str, Callable[[Place, random.Random], AbstractContextManager[None]]] = {
    "restart": _restart,
    "failover": _fail_over,
    "alone": _alone,
    **{name: _on_line(name) for name in LINES},
}
"""Faults of a database server and of the way to it."""
