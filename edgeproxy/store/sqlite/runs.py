"""Dedup keys that are no longer the youngest: sorted runs on disk, and a filter in memory.

The youngest keys are in `seen`, small enough that its pages are shared by the keys of a group.
When it is full it becomes a run of `seen_old`. A key could be in any run, so a filter in memory
says which keys are surely in none; it is not stored, but read from the runs in small portions.
"""

import secrets
from collections.abc import Iterable, Sequence
from itertools import groupby
from struct import Struct
from typing import Any
from weakref import WeakKeyDictionary

import apsw

YOUNG_MAX = 8192
"""So many keys make a run. About 80 pages: fewer than a group of events dirties."""

LOAD_MAX = 100_000
"""So many keys are read into the filter in one transaction, some 50 ms."""

_SERIAL_BITS = 40
"""A run's number is a serial number and this many random bits: one that was rolled back and one
that another process made in its place must not look the same."""

_LAST_RUN = 2**63 - 1

# Each run is found by one step in the index.
_RUNS = """
WITH RECURSIVE one (run) AS (
  SELECT max(run) FROM seen_old WHERE run > ?2 AND run <= ?3
  UNION ALL
  SELECT (SELECT max(run) FROM seen_old WHERE run > ?2 AND run < one.run) FROM one
  WHERE one.run IS NOT NULL
)
"""
_FOUND = """
FROM one CROSS JOIN carray(?1) AS wanted CROSS JOIN seen_old AS old
ON old.run = one.run AND old.key = wanted.value
"""
_LIVE = f"{_RUNS} SELECT old.key {_FOUND} WHERE old.expires > ?4"
_EXPIRY = f"{_RUNS} SELECT max(old.expires) {_FOUND}"
_ROWS = f"{_RUNS} SELECT old.row {_FOUND}"
_RELEASE = f"{_RUNS} DELETE FROM seen_old WHERE (run, key) IN (SELECT old.run, old.key {_FOUND})"  # noqa: S608 - constants
_NEWEST = "SELECT max(run) FROM seen_old"
_THERE = "SELECT 1 FROM seen_old WHERE run = ? LIMIT 1"
_LOAD = "SELECT run, key FROM seen_old WHERE run > ? ORDER BY run, key"
_FREEZE = """
INSERT INTO seen_old (run, key, expires, row)
SELECT ?1, key, expires, row FROM seen WHERE expires > ?2
ORDER BY key
"""


class KeyFilter:
    """A set of keys that may claim to hold a key that it does not, never the reverse.

    A Bloom filter of 24 bits and 4 probes a key, in pieces that err on 1 in 1800 each: every piece
    has room for twice as many keys as the one before it, up to a million, so that few keys take
    little memory. Keys are digests, so their own bytes are the probes.
    """

    FIRST_KEYS = 2**16
    PIECE_KEYS = 2**20
    _KEY_BITS = 24
    _PROBES = Struct("<4I").unpack_from

    def __init__(self) -> None:
        self._pieces: list[bytearray] = []
        self._room = 0

    @property
    def sizes(self) -> list[int]:
        """For how many keys each piece has room."""
        return [len(piece) * 8 // self._KEY_BITS for piece in self._pieces]

    def add(self, keys: Iterable[bytes]) -> None:
        """Put keys in; each has 16 bytes at least."""
        probes = self._PROBES
        for key in keys:
            if not self._room:
                self._room = min(self.FIRST_KEYS << len(self._pieces), self.PIECE_KEYS)
                self._pieces.append(bytearray(self._room * self._KEY_BITS // 8))
            piece = self._pieces[-1]
            bits = len(piece) * 8
            for probe in probes(key):
                bit = probe % bits
                piece[bit >> 3] |= 1 << (bit & 7)
            self._room -= 1

    def maybe(self, keys: Iterable[bytes]) -> list[bytes]:
        """Those that may be in it."""
        probes = self._PROBES
        pieces = [(piece, len(piece) * 8) for piece in self._pieces]
        found = []
        for key in keys:
            first, second, third, fourth = probes(key)
            for piece, bits in pieces:
                a, b, c, d = first % bits, second % bits, third % bits, fourth % bits
                if (
                    piece[a >> 3] >> (a & 7) & 1
                    and piece[b >> 3] >> (b & 7) & 1
                    and piece[c >> 3] >> (c & 7) & 1
                    and piece[d >> 3] >> (d & 7) & 1
                ):
                    found.append(key)
                    break
        return found


class Runs:
    """What one connection knows of the runs.

    Args:
        young_max: So many keys make a run.
        load_max: So many keys are read into the filter in one transaction.
    """

    def __init__(self, young_max: int = YOUNG_MAX, load_max: int = LOAD_MAX) -> None:
        self._young_max = young_max
        self._load_max = load_max
        self._forget()

    def _forget(self) -> None:
        self._filter = KeyFilter()
        self._known = 0  # the filter holds this run and all before it
        self._newest = 0
        self._young: int | None = None

    def live(self, db: apsw.Connection, now_ms: int, keys: Sequence[bytes]) -> set[bytes]:
        """Which of these keys are in a run and still collapse."""
        self._learn(db)
        found: set[bytes] = set()
        if maybe := self._filter.maybe(keys):
            found |= _live(db, now_ms, maybe, 0, self._known)
        if keys and self._known < self._newest:
            found |= _live(db, now_ms, keys, self._known, self._newest)
        return found

    def _learn(self, db: apsw.Connection) -> None:
        newest = db.execute(_NEWEST).get or 0
        if newest != self._newest:
            self._young = None
            if self._known and db.execute(_THERE, (self._known,)).get is None:
                self._forget()  # it was rolled back, or all its keys are over
            self._newest = newest
        if self._known < newest:
            self._load(db)

    def _load(self, db: apsw.Connection) -> None:
        loaded = 0
        rows: Iterable[Any] = db.execute(_LOAD, (self._known,))
        for run, keys in groupby(rows, key=lambda row: row[0]):
            if loaded >= self._load_max:
                return
            some = [key for _, key in keys]
            self._filter.add(some)
            loaded += len(some)
            self._known = run

    def grown(self, db: apsw.Connection, now_ms: int, count: int) -> None:
        """So many young keys were written: make a run of them when there are enough."""
        if self._young is None:
            self._young = int(db.execute("SELECT count(*) FROM seen").get)
        else:
            self._young += count
        if self._young >= self._young_max:
            serial = ((db.execute(_NEWEST).get or 0) >> _SERIAL_BITS) + 1
            run = serial << _SERIAL_BITS | secrets.randbits(_SERIAL_BITS)
            db.execute(_FREEZE, (run, now_ms))
            db.execute("DELETE FROM seen")
            self._young = 0


def _live(
    db: apsw.Connection, now_ms: int, keys: Sequence[bytes], after: int, to: int
) -> set[bytes]:
    rows: Iterable[Any] = db.execute(_LIVE, (apsw.carray(tuple(keys)), after, to, now_ms))
    return {key for (key,) in rows}


def expiry(db: apsw.Connection, key: bytes) -> int:
    """Until when the runs let a key collapse, 0 when it is in none."""
    return db.execute(_EXPIRY, (apsw.carray((key,)), 0, _LAST_RUN)).get or 0


def rows_of(db: apsw.Connection, keys: Sequence[bytes]) -> list[int]:
    """Where the events of these keys waited when their runs were made."""
    found: Iterable[Any] = db.execute(_ROWS, (apsw.carray(tuple(keys)), 0, _LAST_RUN))
    return [row for (row,) in found]


def release(db: apsw.Connection, keys: Sequence[bytes]) -> None:
    """Take keys out of every run."""
    db.execute(_RELEASE, (apsw.carray(tuple(keys)), 0, _LAST_RUN))


OF_CONNECTION: WeakKeyDictionary[apsw.Connection, Runs] = WeakKeyDictionary()
"""What each connection knows; it is asked for by `runs_of`."""


def runs_of(db: apsw.Connection) -> Runs:
    """What a connection knows of the runs; it lives as long as the connection."""
    found = OF_CONNECTION.get(db)
    if found is None:
        found = OF_CONNECTION[db] = Runs()
    return found
