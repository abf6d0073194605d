"""Where a SQLite store may lie, who may read it, and what is refused in one clear sentence."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from edgeproxy.errors import ConfigError
from edgeproxy.store.filelock import FileLock
from edgeproxy.store.sqlite.file import (
    READER_PRAGMAS,
    WRITER_PRAGMAS,
    is_full,
    open_files,
    read_mounts,
    refuse_network,
    set_pragmas,
)
from tests.contract.store_world import Clock


def open_and_close(path: Path, wait_s: float = 1) -> str:
    """Open a store, return its name as the database tells it, and close it."""
    files, writer, reader = open_files(path, wait_s, now_ms=Clock())
    name = str(reader.execute("SELECT value FROM meta WHERE name = 'store'").get)
    reader.close()
    writer.close()
    files.close()
    return name


def modes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


def test_nobody_else_may_read_what_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "edge"
    files, writer, reader = open_files(folder / "edge.db", now_ms=Clock())
    assert folder.stat().st_mode & 0o777 == 0o700
    names = ("edge.db", "edge.db-wal", "edge.db-shm", "edge.db.id")
    locks = ("edge.db.lock", "edge.db.lock.turn", "edge.db.open")
    assert modes(folder) == dict.fromkeys((*names, *locks), 0o600)
    reader.close()
    writer.close()
    files.close()


def test_a_file_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    open_and_close(tmp_path / "edge.db")
    (tmp_path / "edge.db").chmod(0o644)
    open_and_close(tmp_path / "edge.db")
    assert modes(tmp_path)["edge.db"] == 0o600


def test_the_pragmas_took(tmp_path: Path) -> None:
    files, writer, reader = open_files(tmp_path / "edge.db", now_ms=Clock())
    assert {name: writer.pragma(name) for name, _, _ in WRITER_PRAGMAS} == {
        "auto_vacuum": 2,
        "journal_mode": "wal",
        "synchronous": 2,
        "busy_timeout": 5000,
        "secure_delete": 2,
        "cache_size": -1000,
        "journal_size_limit": 16_777_216,
        "wal_autocheckpoint": 1000,
        "temp_store": 2,
        "trusted_schema": 0,
        "cell_size_check": 1,
        "mmap_size": 0,
    } | ({"fullfsync": 1} if sys.platform == "darwin" else {})
    assert {name: reader.pragma(name) for name, _, _ in READER_PRAGMAS} == {
        "busy_timeout": 5000,
        "query_only": 1,
        "cache_size": -500,
        "wal_autocheckpoint": 0,
        "trusted_schema": 0,
        "cell_size_check": 1,
        "mmap_size": 0,
    }
    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("INSERT INTO meta VALUES ('a', 'b')")
    reader.close()
    writer.close()
    files.close()


def test_a_pragma_that_does_not_take_is_refused() -> None:
    with pytest.raises(ConfigError, match="journal_mode is 'memory' there"):
        set_pragmas(apsw.Connection(":memory:"), [("journal_mode", "wal", "wal")])


class TestIdentity:
    def test_it_is_the_name_in_the_database(self, tmp_path: Path) -> None:
        name = open_and_close(tmp_path / "edge.db")
        assert len(name) == 32
        assert (tmp_path / "edge.db.id").read_text().strip() == name
        assert open_and_close(tmp_path / "edge.db") == name

    def test_a_restored_database_gets_its_file_again(self, tmp_path: Path) -> None:
        name = open_and_close(tmp_path / "edge.db")
        (tmp_path / "edge.db.id").unlink()
        assert open_and_close(tmp_path / "edge.db") == name
        assert (tmp_path / "edge.db.id").read_text().strip() == name

    @pytest.mark.parametrize("lose", [Path.unlink, lambda path: os.truncate(path, 0)])
    def test_a_database_that_was_lost_is_not_begun_anew(
        self, tmp_path: Path, lose: Callable[[Path], None]
    ) -> None:
        open_and_close(tmp_path / "edge.db")
        lose(tmp_path / "edge.db")
        with pytest.raises(ConfigError, match=r"missing or empty, but edge\.db\.id"):
            open_and_close(tmp_path / "edge.db")
        (tmp_path / "edge.db.id").unlink()
        open_and_close(tmp_path / "edge.db")

    def test_another_store_in_its_place_is_refused(self, tmp_path: Path) -> None:
        open_and_close(tmp_path / "a" / "edge.db")
        open_and_close(tmp_path / "b" / "edge.db")
        (tmp_path / "a" / "edge.db").replace(tmp_path / "b" / "edge.db")
        with pytest.raises(ConfigError, match=r"another store than edge\.db\.id beside it names"):
            open_and_close(tmp_path / "b" / "edge.db")


class TestRefused:
    def test_a_relative_path(self) -> None:
        with pytest.raises(ConfigError, match="absolute path"):
            open_files(Path("edge.db"), now_ms=Clock())

    def test_a_folder_in_the_way(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="is a folder: name a file in it"):
            open_files(tmp_path, now_ms=Clock())

    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(ConfigError, match="cannot be used: "):
            open_files(tmp_path / "file" / "edge.db", now_ms=Clock())

    def test_a_place_that_cannot_be_written(self) -> None:
        with pytest.raises(ConfigError, match=r"/proc/edge/edge\.db cannot be used: "):
            open_files(Path("/proc/edge/edge.db"), now_ms=Clock())

    def test_something_else_than_a_database(self, tmp_path: Path) -> None:
        (tmp_path / "edge.db").write_bytes(b"these are my notes, keep them " * 100)
        with pytest.raises(ConfigError, match="is no SQLite database, or a damaged one"):
            open_files(tmp_path / "edge.db", now_ms=Clock())

    def test_a_foreign_database_that_cannot_shrink(self, tmp_path: Path) -> None:
        db = apsw.Connection(str(tmp_path / "edge.db"))
        db.execute("CREATE TABLE notes (text)")
        db.close()
        with pytest.raises(ConfigError, match="auto_vacuum is 0 there"):
            open_files(tmp_path / "edge.db", now_ms=Clock())

    def test_a_newer_schema(self, tmp_path: Path) -> None:
        open_and_close(tmp_path / "edge.db")
        db = apsw.Connection(str(tmp_path / "edge.db"))
        db.execute("PRAGMA user_version = 99")
        db.close()
        with pytest.raises(ConfigError, match="its schema is number 99"):
            open_files(tmp_path / "edge.db", now_ms=Clock())

    def test_a_place_that_another_process_does_not_leave(self, tmp_path: Path) -> None:
        other = FileLock(tmp_path / "edge.db.lock")
        other.acquire(0)
        with pytest.raises(ConfigError, match="is being opened by another process"):
            open_files(tmp_path / "edge.db", wait_s=0.01, now_ms=Clock())
        other.close()
        open_and_close(tmp_path / "edge.db")


class TestNetwork:
    MOUNTS = read_mounts(
        "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        "30 22 0:41 / /srv rw - nfs4 nas:/srv rw\n"
        "31 30 0:42 / /srv/local\\040disk rw - xfs /dev/vdb rw\n"
        "32 22 0:43 / /home/me/share rw shared:2 master:1 - fuse.sshfs host: rw\n"
        "33 22 0:44 / /mnt/win rw - cifs //nas/win rw\n"
        "34 22 0:45 / /both rw - cifs //nas/win rw\n"
        "35 34 0:46 / /both rw - ext4 /dev/vdc rw\n"
        "36 22 0:47 / /over/net rw - nfs4 nas:/srv rw\n"
        "37 22 0:48 / /over rw - ext4 /dev/vdd rw\n"
    )

    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            ("/srv/edge/edge.db", "nfs4"),
            ("/home/me/share/edge.db", "fuse.sshfs"),
            ("/mnt/win/edge.db", "cifs"),
        ],
    )
    def test_a_network_is_refused(self, path: str, kind: str) -> None:
        with pytest.raises(ConfigError, match=f"a {kind} file system"):
            refuse_network(Path(path), self.MOUNTS)

    @pytest.mark.parametrize(
        "path",
        [
            "/var/edge.db",
            "/srv/local disk/edge.db",
            "/srvx/edge.db",
            "/both/edge.db",
            "/over/net/edge.db",
        ],
    )
    def test_a_local_disk_is_not(self, path: str) -> None:
        refuse_network(Path(path), self.MOUNTS)


def test_processes_that_open_at_once_make_one_store(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.test_store_sqlite_file import"
        " open_and_close; print(open_and_close(Path(sys.argv[1]), 20))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "edge.db")]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    names = {child.communicate()[0].strip() for child in children}
    assert len(names) == 1
    assert [child.returncode for child in children] == [0, 0, 0]


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "full"), True),
        (OSError(errno.EDQUOT, "quota"), True),
        (OSError(errno.EACCES, "no"), False),
        (apsw.IOError("disk I/O error"), False),  # there is room: the disk is broken
        (apsw.BusyError("locked"), False),
    ],
)
def test_a_full_volume_is_told_from_a_broken_one(
    tmp_path: Path, error: Exception, full: bool
) -> None:
    assert is_full(tmp_path, error) == full
