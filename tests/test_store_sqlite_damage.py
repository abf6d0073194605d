"""Damage is found at a start after an unclean end, and the file is set aside, not deleted."""

import os
from pathlib import Path

import apsw
import pytest

from edgeproxy.errors import ConfigError
from edgeproxy.store.sqlite.damage import is_sound, last_aside, set_aside
from edgeproxy.store.sqlite.file import open_files
from tests.contract.damage import PAGE, break_page, overwrite
from tests.contract.store_world import START_MS, Clock

STAMP = "20240129T145320Z"


def filled(path: Path, *, unclean: bool = False) -> None:
    """A store of some 50 pages; an unclean end leaves its log behind."""
    files, writer, reader = open_files(path, now_ms=Clock())
    with writer:
        writer.execute("INSERT INTO meta VALUES ('big', ?)", ("x" * 200_000,))
    writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    with writer:
        writer.execute("INSERT INTO meta VALUES ('more', 'x')")
    reader.close()
    if unclean:
        writer.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    writer.close()
    files.close()
    assert path.with_name(path.name + "-wal").exists() is unclean


def opened(path: Path) -> None:
    files, writer, reader = open_files(path, now_ms=Clock())
    reader.close()
    writer.close()
    files.close()


class TestStart:
    def test_an_unclean_end_without_damage_is_no_fault(self, tmp_path: Path) -> None:
        filled(tmp_path / "edge.db", unclean=True)
        opened(tmp_path / "edge.db")
        assert last_aside(tmp_path / "edge.db") is None

    def test_damage_is_found_after_an_unclean_end(self, tmp_path: Path) -> None:
        """Page 30 holds part of a long text that opening does not read."""
        path = tmp_path / "edge.db"
        filled(path, unclean=True)
        break_page(path, 30)
        aside = path.with_name(f"edge.db.damaged-{STAMP}")
        with pytest.raises(ConfigError, match=rf"was damaged and is now {aside}: edgeproxy doctor"):
            opened(path)
        assert not path.exists()
        assert aside.stat().st_size > 40 * PAGE
        assert aside.with_name(aside.name + "-wal").exists()
        with pytest.raises(
            ConfigError, match=rf"missing or empty.*doctor --salvage {aside} brings"
        ):
            opened(path)

    def test_beside_another_process_nobody_looks(self, tmp_path: Path) -> None:
        path = tmp_path / "edge.db"
        filled(path)
        files, writer, reader = open_files(path, now_ms=Clock())
        with writer:
            writer.execute("INSERT INTO meta VALUES ('third', 'x')")
        break_page(path, 30)
        opened(path)
        reader.close()
        writer.close()
        files.close()

    @pytest.mark.parametrize("offset", [0, 100])
    def test_a_head_that_is_no_database_is_found_at_any_start(
        self, tmp_path: Path, offset: int
    ) -> None:
        path = tmp_path / "edge.db"
        filled(path)
        overwrite(path, offset, 3000, b"\xff")
        with pytest.raises(ConfigError, match="was damaged and is now"):
            opened(path)
        assert last_aside(path) == path.with_name(f"edge.db.damaged-{STAMP}")

    def test_a_file_cut_short_is_found_at_any_start(self, tmp_path: Path) -> None:
        path = tmp_path / "edge.db"
        filled(path)
        os.truncate(path, 5 * PAGE)
        with pytest.raises(ConfigError, match="was damaged and is now"):
            opened(path)

    def test_what_never_was_a_store_is_left_where_it_is(self, tmp_path: Path) -> None:
        path = tmp_path / "edge.db"
        path.write_bytes(b"these are my notes, keep them " * 200)
        with pytest.raises(ConfigError, match="is no SQLite database, or a damaged one"):
            opened(path)
        assert path.read_bytes().startswith(b"these are my notes")


class TestCheck:
    def test_it_ends_in_time_and_believes_what_it_has_not_seen(self, tmp_path: Path) -> None:
        db = apsw.Connection(str(tmp_path / "big.db"))
        with db:
            db.execute("CREATE TABLE t (a, b)")
            db.executemany("INSERT INTO t VALUES (?, ?)", ((n, "x" * 100) for n in range(20_000)))
        db.close()
        break_page(tmp_path / "big.db", 300)
        db = apsw.Connection(str(tmp_path / "big.db"))
        assert not is_sound(db)
        assert is_sound(db, -1)
        assert not is_sound(db)
        db.close()


class TestAside:
    def test_nothing_is_overwritten(self, tmp_path: Path) -> None:
        path = tmp_path / "edge.db"
        for content in ("one", "two", "three"):
            path.write_text(content)
            path.with_name("edge.db-wal").write_text(f"log of {content}")
            set_aside(path, START_MS)
        names = [f"edge.db.damaged-{STAMP}{number}" for number in ("", "-2", "-3")]
        assert [(tmp_path / name).read_text() for name in names] == ["one", "two", "three"]
        assert (tmp_path / f"{names[1]}-wal").read_text() == "log of two"
        assert last_aside(path) == tmp_path / names[2]

    def test_there_may_be_none(self, tmp_path: Path) -> None:
        assert last_aside(tmp_path / "edge.db") is None
