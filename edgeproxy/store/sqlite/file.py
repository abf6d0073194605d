"""The files of a SQLite store: where they may lie, who may read them, how they are opened.

Beside `edge.db` lie `edge.db-wal` and `-shm` (SQLite's), `edge.db.lock`, `.lock.turn` and `.open`
(see `filelock`) and `edge.db.id`, which names the store: a database that is gone or empty while
its name is still there was lost, not new.
"""

import contextlib
import errno
import os
import secrets
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import apsw

from edgeproxy.errors import ConfigError, Failed
from edgeproxy.store.filelock import FileLock, Presence
from edgeproxy.store.migrate import Step, migrate, steps
from edgeproxy.store.sqlite.damage import DAMAGED, close_untouched, is_sound, last_aside, set_aside
from edgeproxy.store.sqlite.transaction import transaction
from edgeproxy.store.sqlite.upkeep import checkpoint

OPEN_WAIT_S = 30.0

_NETWORK = ("nfs", "cifs", "smb", "fuse", "afs", "ceph", "gluster")

_AFRESH = "to begin with an empty store instead, use serve --accept-loss"

_BEGIN_BYTES = 65_536
"""What SQLite must be able to write beside a database before it reads a row: the log's index."""

_FULL = (
    "%s cannot be opened: its volume is full to the last bytes, and SQLite has to write about"
    " 64 KiB beside the database before it can read it; free some space and start again: nothing"
    " is lost"
)

_SHARED = (("trusted_schema", "off", 0), ("cell_size_check", "on", 1), ("mmap_size", "0", 0))
WRITER_PRAGMAS: tuple[tuple[str, str, int | str], ...] = (
    ("busy_timeout", "5000", 5000),  # first: the others may meet a process that closes
    ("auto_vacuum", "incremental", 2),
    ("journal_mode", "wal", "wal"),
    ("synchronous", "full", 2),
    ("secure_delete", "fast", 2),
    ("cache_size", "-1000", -1000),  # KB: new rows and the youngest keys; the system has the rest
    ("journal_size_limit", "16777216", 16_777_216),
    ("wal_autocheckpoint", "1000", 1000),
    ("temp_store", "memory", 2),  # no copies of rows in the system's temporary folder
    *((("fullfsync", "on", 1),) if sys.platform == "darwin" else ()),
    *_SHARED,
)
"""(name, what is set, what must be read back). FULL: with NORMAL a power cut loses commits."""

READER_PRAGMAS: tuple[tuple[str, str, int | str], ...] = (
    ("busy_timeout", "5000", 5000),
    ("query_only", "on", 1),
    ("cache_size", "-500", -500),
    ("wal_autocheckpoint", "0", 0),
    *_SHARED,
)


def fault(text: str) -> ConfigError:
    """A ConfigError about the place that `store.url` names."""
    return ConfigError([("store.url", text)])


class StoreFiles:
    """The paths of one store, the lock that every writer of it takes, and who has it open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.identity = path.with_name(path.name + ".id")
        self.lock = FileLock(path.with_name(path.name + ".lock"))
        self.presence = Presence(path.with_name(path.name + ".open"))

    def open(
        self, wait_s: float, *, now_ms: Callable[[], int], accept_loss: bool
    ) -> tuple[apsw.Connection, apsw.Connection]:
        """Make or check everything; return a writer's and a reader's connection."""
        if not self.lock.acquire(wait_s):
            raise fault(f"{self.path} is being opened by another process that does not finish")
        try:
            return self._open(now_ms, accept_loss=accept_loss)
        except DAMAGED as error:
            raise self._damaged(now_ms()) from error
        finally:
            self.lock.release()

    def _open(
        self, now_ms: Callable[[], int], *, accept_loss: bool
    ) -> tuple[apsw.Connection, apsw.Connection]:
        lost = self._is_lost()
        if lost and not accept_loss:
            raise fault(self._how_lost())
        unclean = self.presence.alone() and self.log_bytes > 0
        _make_private(self.path)
        writer = connect(self.path)
        self._check_identity(_named(writer), anew=lost)
        reader = connect(self.path, readonly=True)
        if unclean and not is_sound(reader):
            reader.close()
            close_untouched(writer)
            raise apsw.CorruptError("quick_check")
        if unclean:  # before anything is written: on a full disk that would take the log's way
            with contextlib.suppress(apsw.FullError):
                checkpoint(writer)
        return writer, reader

    @property
    def log_bytes(self) -> int:
        """How long the write-ahead log is."""
        return _size_bytes(self.path, "-wal")

    def close(self) -> None:
        """Let others have the store to themselves. Idempotent."""
        self.lock.close()
        self.presence.close()

    def _is_lost(self) -> bool:
        return self.identity.exists() and _size_bytes(self.path) == 0

    def _how_lost(self) -> str:
        aside = last_aside(self.path)
        return (
            f"{self.path} is missing or empty, but {self.identity.name} beside it says that"
            f" there was a store: {_cure(aside) if aside else 'restore it'}; {_AFRESH}"
        )

    def _damaged(self, now_ms: int) -> ConfigError:
        if not self.identity.exists():
            return fault(f"{self.path} is no SQLite database, or a damaged one: move it aside")
        aside = set_aside(self.path, now_ms)
        return fault(f"{self.path} was damaged and is now {aside}: {_cure(aside)}; {_AFRESH}")

    def _check_identity(self, uuid: str, *, anew: bool) -> None:
        if anew or not self.identity.exists():
            _write_durably(self.identity, uuid)
        if self.identity.read_text(encoding="ascii").strip() != uuid:
            raise fault(
                f"{self.path} is another store than {self.identity.name} beside it names: put the"
                " right database back, or remove that file to go on with this one"
            )


def open_files(
    path: Path,
    wait_s: float = OPEN_WAIT_S,
    *,
    now_ms: Callable[[], int],
    accept_loss: bool = False,
) -> tuple[StoreFiles, apsw.Connection, apsw.Connection]:
    """Open a store's files, made when they are missing.

    Args:
        path: The database.
        wait_s: How long another process may take that opens the same one.
        now_ms: The wall clock in Unix ms, for the name of a damaged file.
        accept_loss: Begin with an empty database where one was lost.

    Returns:
        The files, a writer's connection and a reader's.

    Raises:
        ConfigError: The place cannot be used; says why and what would do.
        Failed: There is no room even to open it.
    """
    if not path.is_absolute():
        raise fault("must name an absolute path, as in sqlite:///var/lib/edgeproxy/edgeproxy.db")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_network(path, mounts())
        if path.is_dir():
            raise fault(f"{path} is a folder: name a file in it")
        files = StoreFiles(path)
        try:
            return (files, *files.open(wait_s, now_ms=now_ms, accept_loss=accept_loss))
        except BaseException:
            files.close()
            raise
    except (OSError, apsw.Error) as error:
        if is_full(path.parent, error):
            raise Failed(_FULL % path) from error
        if isinstance(error, OSError):
            raise fault(f"{path} cannot be used: {error.strerror}: {error.filename}") from error
        raise fault(f"{path} cannot be opened: {error}") from error


def is_full(folder: Path, error: Exception) -> bool:
    """Whether something failed because the volume of a folder has no room even to begin.

    SQLite says of some such failures just that it met an I/O error.
    """
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if not isinstance(error, (apsw.FullError, apsw.IOError)):
        return False
    volume = os.statvfs(folder)
    return volume.f_bavail * volume.f_frsize < _BEGIN_BYTES


def _cure(aside: Path) -> str:
    return f"edgeproxy doctor --salvage {aside} brings back what can be read"


def _size_bytes(path: Path, part: str = "") -> int:
    file = path.with_name(path.name + part)
    return file.stat().st_size if file.exists() else 0


def refuse_network(path: Path, mounts: Iterable[tuple[str, str]]) -> None:
    """Refuse file systems on which locks or memory maps do not hold.

    Args:
        path: The database.
        mounts: (mount point, type), the later hides the earlier.

    Raises:
        ConfigError: The database would lie on NFS, CIFS, FUSE or the like.
    """
    folder = path.parent.resolve()
    here = ("", "")
    for point, kind in mounts:
        if folder.is_relative_to(point):
            here = (point, kind)
    if here[1].startswith(_NETWORK):
        raise fault(
            f"{path} lies on {here[0]}, a {here[1]} file system, where SQLite's locks do not hold:"
            " use a local disk"
        )


def mounts() -> list[tuple[str, str]]:
    """(mount point, type) of every file system, the later hides the earlier."""
    table = Path("/proc/self/mountinfo")
    return read_mounts(table.read_text(encoding="utf-8")) if table.exists() else []


def read_mounts(mountinfo: str) -> list[tuple[str, str]]:
    """(mount point, type) of each line. Source: proc_pid_mountinfo(5); blanks are octal there."""
    found = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4].replace("\\040", " ")
        found.append((point, after.split(" ")[0]))
    return found


def _make_private(path: Path) -> None:
    # Only while no connection of this process is open: closing any descriptor of a database drops
    # SQLite's locks on it. SQLite gives -wal and -shm the mode of the database.
    if path.exists():
        path.chmod(0o600)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def connect(path: Path, *, readonly: bool = False) -> apsw.Connection:
    """A connection with every pragma set and read back; a writer's has the schema too.

    Raises:
        ConfigError: A pragma did not take, or the schema is newer than this program.
        apsw.Error: SQLite cannot open it.
    """
    if readonly:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        set_pragmas(db, READER_PRAGMAS)
        return db
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        set_pragmas(db, WRITER_PRAGMAS)
        upgrade(db)
    except BaseException:
        close_untouched(db)
        raise
    return db


def upgrade(db: apsw.Connection, known: list[Step] | None = None) -> None:
    """Bring the schema of a connection that may write up to date, with all known steps."""
    migrate(_Schema(db), known or steps("sqlite"))


def set_pragmas(db: apsw.Connection, pragmas: Iterable[tuple[str, str, int | str]]) -> None:
    """Set each pragma and read it back; raises ConfigError for one that did not take."""
    for name, value, expected in pragmas:
        db.execute(f"PRAGMA {name} = {value}").fetchall()
        found = db.pragma(name)
        if found != expected:
            raise fault(f"SQLite's {name} is {found!r} there and cannot be made {expected!r}")


class _Schema:
    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def version(self) -> int:
        return int(self._db.pragma("user_version"))

    def apply(self, step: Step) -> None:
        with transaction(self._db):
            self._db.execute(step.sql)
            self._db.execute(f"PRAGMA user_version = {step.number}")


def _named(db: apsw.Connection) -> str:
    with transaction(db):
        db.execute("INSERT OR IGNORE INTO meta VALUES ('store', ?)", (secrets.token_hex(16),))
    return str(db.execute("SELECT value FROM meta WHERE name = 'store'").get)


def _write_durably(path: Path, text: str) -> None:
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        os.write(descriptor, text.encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
