"""Dedup keys in runs: no key is forgotten, whatever is frozen, rolled back, swept or read late."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeproxy.store.base import Entry, Fate, Item
from edgeproxy.store.sqlite import seen, upkeep
from edgeproxy.store.sqlite.append import append
from edgeproxy.store.sqlite.file import connect
from edgeproxy.store.sqlite.runs import OF_CONNECTION, YOUNG_MAX, KeyFilter, Runs
from edgeproxy.store.sqlite.transaction import transaction
from tests.contract.store_world import START_MS, VISITOR, entry

NEW, OLD = Fate.ACCEPTED, Fate.DUPLICATE


def key(number: int) -> bytes:
    return blake2b(str(number).encode(), digest_size=16).digest()


def entries(*numbers: int) -> list[Entry]:
    return [entry(key=key(number)) for number in numbers]


def take(db: apsw.Connection, now_ms: int, *numbers: int) -> list[Fate]:
    with transaction(db):
        return seen.take(db, now_ms, entries(*numbers), 1)


def undo(db: apsw.Connection, now_ms: int, *some: list[int]) -> None:
    """Take keys, and roll that back."""
    db.execute("BEGIN IMMEDIATE")
    for numbers in some:
        seen.take(db, now_ms, entries(*numbers), 1)
    db.execute("ROLLBACK")


def runs_in(db: apsw.Connection) -> int:
    return int(db.execute("SELECT count(DISTINCT run) FROM seen_old").get)


@contextmanager
def connections(folder: Path, *sizes: tuple[int, int]) -> Iterator[list[apsw.Connection]]:
    """Connections to one database, as several processes have, each with its (young, load)."""
    path = folder / "edge.db"
    path.touch()
    with ExitStack() as stack:
        made = []
        for young_max, load_max in sizes:
            db = connect(path)
            stack.callback(db.close)
            OF_CONNECTION[db] = Runs(young_max, load_max)
            made.append(db)
        yield made


class TestFilter:
    def test_it_never_denies_what_it_holds_and_seldom_claims_what_it_does_not(self) -> None:
        keys, others = [key(n) for n in range(5000)], [key(n) for n in range(5000, 25_000)]
        held = KeyFilter()
        assert held.maybe(keys) == []
        held.add(keys)
        assert held.maybe(keys) == keys
        assert len(held.maybe(others)) < 5

    def test_it_grows_by_pieces(self) -> None:
        held = KeyFilter()
        held.FIRST_KEYS, held.PIECE_KEYS = 64, 256
        keys, others = [key(n) for n in range(1000)], [key(n) for n in range(1000, 2000)]
        held.add(keys)
        assert held.sizes == [64, 128, 256, 256, 256, 256]
        assert held.maybe(keys) == keys
        assert len(held.maybe(others)) < 20


def test_young_keys_become_a_run_and_still_collapse(tmp_path: Path) -> None:
    with connections(tmp_path, (YOUNG_MAX, 10**6)) as (db,):
        numbers = range(3 * YOUNG_MAX)
        for start in range(0, len(numbers), 1000):
            some = numbers[start : start + 1000]
            assert take(db, START_MS, *some) == [NEW] * len(some)
        assert runs_in(db) == 2
        assert db.execute("SELECT count(*) FROM seen").get < YOUNG_MAX
        assert take(db, START_MS, *numbers[::97]) == [OLD] * len(numbers[::97])


def test_a_copy_of_an_event_whose_key_is_in_a_run_completes_it(tmp_path: Path) -> None:
    with connections(tmp_path, (2, 100)) as (db,):
        for number in range(4):
            made = entry(key=key(number), visitor=VISITOR)
            with transaction(db):
                append(db, START_MS, [Item((made,))])
        assert runs_in(db) == 2
        copy = entry(key=key(0), fill=b'{"a":"b"}')
        with transaction(db):
            assert append(db, START_MS, [Item((copy,))]) == [(OLD,)]
        known = [row for (row,) in db.execute("SELECT known FROM outbox ORDER BY id")]
        assert known == [b'{"a":"b"}', b"", b"", b""]


def test_a_run_that_was_rolled_back_is_not_taken_for_one_that_another_process_made(
    tmp_path: Path,
) -> None:
    """Which of the two has the greater number is chance, so it is tried often."""
    with connections(tmp_path, (2, 100), (2, 100)) as (one, two):
        for n in range(0, 200, 10):
            undo(one, START_MS, [n, n + 1], [n + 2])  # the second has read the run of the first
            assert take(two, START_MS, n + 5, n + 6) == [NEW, NEW]
            assert take(one, START_MS, n, n + 5, n + 6) == [NEW, OLD, OLD]


def test_what_is_not_read_yet_is_looked_up(tmp_path: Path) -> None:
    with connections(tmp_path, (3, 100), (3, 1)) as (writes, reads):
        for start in range(0, 30, 3):
            take(writes, START_MS, start, start + 1, start + 2)
        assert runs_in(writes) == 10
        for _ in range(12):
            assert take(reads, START_MS, *range(30)) == [OLD] * 30


def test_a_write_without_a_question_first_makes_a_run_that_others_find(tmp_path: Path) -> None:
    with connections(tmp_path, (2, 100), (2, 100)) as (one, two):
        for start in range(0, 8, 2):
            take(one, START_MS, start, start + 1)
        with transaction(two):
            seen.keep(two, START_MS, [key(100), key(101), key(102)], [])
        assert take(one, START_MS, 100, 101, 102) == [OLD] * 3


def sweep(db: apsw.Connection, now_ms: int) -> int:
    after, moved = upkeep.START, 0
    while True:
        old = upkeep.look(db, now_ms, 2, after)
        with transaction(db):
            moved += upkeep.sweep(db, now_ms, 2, old)
        after = old.next_key
        if after == upkeep.START and not old.young:
            return moved


def test_a_sweep_takes_old_keys_out_of_runs_and_leaves_live_ones(tmp_path: Path) -> None:
    with connections(tmp_path, (4, 100)) as (db,):
        take(db, START_MS, *range(10))
        later_ms = START_MS + seen.KEEP_MS // 2
        take(db, later_ms, *range(10, 20))
        end_ms = START_MS + seen.KEEP_MS
        assert sweep(db, end_ms) == 10
        left = "SELECT (SELECT count(*) FROM seen) + (SELECT count(*) FROM seen_old)"
        assert db.execute(left).get == 10
        assert take(db, end_ms, *range(20)) == [NEW] * 10 + [OLD] * 10
        assert sweep(db, end_ms + 2 * seen.KEEP_MS) == 20
        assert take(db, end_ms + 2 * seen.KEEP_MS, *range(20)) == [NEW] * 20


def test_a_copy_of_a_young_event_is_known_before_all_runs_are_read(tmp_path: Path) -> None:
    with connections(tmp_path, (2, 3), (2, 1)) as (writer, other):
        for numbers in ((0, 1), (2, 3), (4,)):
            take(writer, START_MS, *numbers)
        assert take(other, START_MS, 4) == [OLD]


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["take", "take", "take", "keep", "release", "sweep", "roll back"]),
        st.integers(0, 1),
        st.lists(st.integers(0, 12), min_size=1, max_size=5),
        st.integers(0, seen.KEEP_MS // 3),
    ),
    max_size=25,
)


@given(ACTS)
@settings(max_examples=60, deadline=None)
def test_any_order_of_acts_gives_the_fates_of_a_plain_table(
    acts: list[tuple[str, int, list[int], int]],
) -> None:
    plain: dict[int, int] = {}
    now_ms = START_MS
    sizes = ((2, 3), (3, 2))
    with TemporaryDirectory() as folder, connections(Path(folder), *sizes) as dbs:
        for act, who, numbers, passed_ms in acts:
            db, now_ms = dbs[who], now_ms + passed_ms
            if act == "take":
                assert take(db, now_ms, *numbers) == expected(plain, now_ms, numbers)
            elif act == "keep":
                with transaction(db):
                    seen.keep(db, now_ms, [key(n) for n in set(numbers)], [])
                plain |= dict.fromkeys(numbers, now_ms + seen.KEEP_MS)
            elif act == "release":
                with transaction(db):
                    seen.release(db, [key(n) for n in numbers])
                for number in numbers:
                    plain.pop(number, None)
            elif act == "sweep":
                sweep(db, now_ms)
            else:
                undo(db, now_ms, numbers, numbers)
            for number in range(13):
                until_ms = seen.expiry(db, key(number))
                assert max(until_ms, now_ms) == max(plain.get(number, 0), now_ms)


def expected(plain: dict[int, int], now_ms: int, numbers: list[int]) -> list[Fate]:
    fates = []
    for number in numbers:
        live = plain.get(number, 0) > now_ms
        fates.append(OLD if live else NEW)
        if not live:
            plain[number] = now_ms + seen.KEEP_MS
    return fates
