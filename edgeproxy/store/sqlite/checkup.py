"""How the files of a SQLite store are, looked at from outside."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw

from edgeproxy.errors import ConfigError
from edgeproxy.store.checkup import Finding
from edgeproxy.store.space import RESERVE_MIN_BYTES, Level, Wishes, level, limits
from edgeproxy.store.sqlite.damage import is_sound, last_aside
from edgeproxy.store.sqlite.file import connect, mounts, refuse_network
from edgeproxy.store.sqlite.room import used_bytes
from edgeproxy.store.sqlite.store import LONG_LOG_BYTES

_LOOK_S = 10.0
"""How long the pages are looked through."""

_MIB = 1024 * 1024


def look(path: Path, wishes: Wishes) -> list[Finding]:
    """Findings about a database and its volume; only "store.file" when it cannot be opened."""
    aside = _aside(path)
    try:
        refuse_network(path, mounts())
        if not path.exists() or path.stat().st_size == 0:
            return [_missing(path), *aside]
        with closing(connect(path, readonly=True)) as db:
            return [*_of_file(path, db), *_of_room(path, db, wishes), *_of_log(path), *aside]
    except ConfigError as error:
        text = "; ".join(text for _, text in error.faults)
    except (apsw.Error, OSError) as error:
        text = f"{path} cannot be read: {error}"
    return [Finding(name="store.file", state="fail", text=text), *aside]


def _missing(path: Path) -> Finding:
    if path.with_name(path.name + ".id").exists():
        return Finding(
            name="store.file",
            state="fail",
            text=f"{path} is missing or empty, but there was a store",
            cure="restore it, salvage a damaged one, or begin anew with serve --accept-loss",
        )
    text = f"there is no store at {path} yet"
    return Finding(name="store.file", state="warn", text=text, cure="edgeproxy serve makes it")


def _of_file(path: Path, db: apsw.Connection) -> Iterator[Finding]:
    if is_sound(db, _LOOK_S):
        text = f"{path}, {path.stat().st_size // _MIB} MiB, no damage found"
        yield Finding(name="store.file", state="ok", text=text)
    else:
        yield Finding(
            name="store.file",
            state="fail",
            text=f"{path} is damaged",
            cure="restart the server: it sets the file aside and says how to go on",
        )
    if path.stat().st_mode & 0o077:
        yield Finding(
            name="store.mode",
            state="warn",
            text=f"others may read {path}",
            cure=f"chmod 600 {path}",
        )


def _of_room(path: Path, db: apsw.Connection, wishes: Wishes) -> Iterator[Finding]:
    used = used_bytes(db)
    bounds = limits(path.parent, used, wishes)
    now = level(bounds, path, used)
    volume = os.statvfs(path)
    free_bytes = volume.f_bavail * volume.f_frsize
    text = (
        f"{used // _MIB} of {bounds.max_bytes // _MIB} MiB used, {free_bytes // _MIB} MiB of the"
        f" volume free, {bounds.reserve_bytes // _MIB} MiB of them in reserve"
    )
    cure = "find out why events are not delivered (edgeproxy status), or raise store.max_bytes"
    if now >= Level.FULL:
        yield Finding(
            name="store.room", state="fail", text=f"events are refused: {text}", cure=cure
        )
    elif now > Level.PLENTY:
        yield Finding(name="store.room", state="warn", text=text, cure=cure)
    else:
        yield Finding(name="store.room", state="ok", text=text)
    if wishes.max_bytes is not None and wishes.max_bytes > used + free_bytes:
        yield Finding(
            name="store.max_bytes",
            state="warn",
            text=f"is {wishes.max_bytes // _MIB} MiB, more than the volume has left",
            cure="lower it, or leave it out",
        )
    if wishes.reserve_bytes is not None and wishes.reserve_bytes < RESERVE_MIN_BYTES:
        yield Finding(
            name="store.reserve_bytes",
            state="warn",
            text=f"is {wishes.reserve_bytes // _MIB} MiB: a full disk may stop delivery too",
            cure=f"make it {RESERVE_MIN_BYTES} or more, or leave it out",
        )


def _of_log(path: Path) -> Iterator[Finding]:
    log = path.with_name(path.name + "-wal")
    log_bytes = log.stat().st_size if log.exists() else 0
    if log_bytes > LONG_LOG_BYTES:
        yield Finding(
            name="store.log",
            state="warn",
            text=f"the write-ahead log is {log_bytes // _MIB} MiB long",
            cure="end the program that keeps the database open for reading",
        )


def _aside(path: Path) -> list[Finding]:
    aside = last_aside(path)
    if aside is None:
        return []
    return [
        Finding(
            name="store.damaged",
            state="warn",
            text=f"{aside} was set aside",
            cure=f"edgeproxy doctor --salvage {aside}; then keep it elsewhere, or delete it",
        )
    ]
