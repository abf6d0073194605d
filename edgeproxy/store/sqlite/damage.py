"""A damaged database: how it is noticed at the start, and how it is put where nothing is lost."""

import time
from datetime import UTC, datetime
from pathlib import Path

import apsw

DAMAGED = (apsw.CorruptError, apsw.NotADBError)
"""What is in the file is not what was written."""

CHECK_S = 2.0
"""A start waits no longer for a check; what it has not reached is checked when it is read."""

_STEPS = 100
"""After so many pages, or steps of SQLite's machine, the clock is looked at."""

_PARTS = ("", "-wal", "-shm")


def is_sound(db: apsw.Connection, limit_s: float = CHECK_S) -> bool:
    """Whether a look through the pages finds nothing wrong, for as long as it may take."""
    deadline_s = time.monotonic() + limit_s
    db.set_progress_handler(lambda: time.monotonic() > deadline_s, _STEPS)
    try:
        return bool(db.execute("PRAGMA quick_check(1)").get == "ok")
    except apsw.InterruptError:
        return True
    except DAMAGED:
        return False
    finally:
        db.set_progress_handler(None)


def close_untouched(db: apsw.Connection) -> None:
    """Close a connection without the checkpoint that closing makes else.

    It would write into a damaged file, or sync once more what could not be synced.
    """
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    db.close(True)


def set_aside(path: Path, now_ms: int) -> Path:
    """Rename a database and its log; nothing is deleted. The caller holds the lock.

    Returns:
        The new name, which says when: "edge.db.damaged-20270131T120000Z".
    """
    stamp = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for part in _PARTS:
        old = path.with_name(path.name + part)
        if old.exists():
            old.rename(aside.with_name(aside.name + part))
    return aside


def last_aside(path: Path) -> Path | None:
    """The database that was set aside last, None when there is none."""
    found = [
        one
        for one in path.parent.glob(f"{path.name}.damaged-*")
        if not one.name.endswith(_PARTS[1:])
    ]
    return max(found, default=None)
