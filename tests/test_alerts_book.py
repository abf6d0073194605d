"""What is told and when: patience, no flapping, nothing forgotten."""

from collections.abc import Iterable

import pytest

from edgeproxy.alerts.book import (
    GONE,
    PAST_MAX,
    UNSENT_MAX,
    Book,
    Notice,
    TokenSeen,
    decode,
    encode,
    seen,
    turned,
)
from edgeproxy.alerts.rules import Reading

MINUTE_MS = 60_000
DAY_MS = 86_400_000


def reading(rule: str, word: str, subject: str = "shop-1") -> Reading:
    return Reading(
        rule=rule, subject=subject, bad=word == "bad", fine=word == "fine", text=f"it is {word}"
    )


def walked(rule: str, words: Iterable[str], *, repeat_ms: int = 0) -> list[tuple[int, str]]:
    """A reading a minute; (minute, kind) of what was told."""
    book = Book()
    told: list[tuple[int, str]] = []
    for minute, word in enumerate(words):
        now_ms = minute * MINUTE_MS
        book = turned(book, [reading(rule, word)], now_ms, repeat_ms=repeat_ms)
        told += [(minute, one.kind) for one in book.past if one.at_ms == now_ms]
    return told


def test_an_alert_is_raised_once_and_cleared_once() -> None:
    assert walked("conversions", ["fine", "bad", "bad", "bad", "fine", "fine"]) == [
        (1, "raised"),
        (4, "cleared"),
    ]


def test_a_value_must_be_bad_for_some_time() -> None:
    assert walked("success", ["bad", "bad", "fine", "bad", "bad", "bad"]) == [(5, "raised")]


def test_a_value_must_be_fine_for_some_time() -> None:
    words = ["bad", *["fine"] * 4, "bad", *["fine"] * 6]

    assert walked("gate", words) == [(0, "raised"), (11, "cleared")]


def test_a_flapping_series_tells_people_once() -> None:
    """A gate that opens and closes each minute for an hour, then stays open."""
    flapping = ["bad", "fine"] * 30

    assert walked("gate", flapping) == [(0, "raised")]
    assert walked("gate", [*flapping, *["fine"] * 6]) == [(0, "raised"), (64, "cleared")]
    assert walked("success", flapping) == []
    assert walked("backlog", flapping) == []


def test_a_value_at_the_edge_changes_nothing() -> None:
    """Neither bad nor fine: what was raised stays raised, what was not is not."""
    assert walked("gate", ["between"] * 60) == []
    assert walked("gate", ["bad", *["between"] * 60, *["fine"] * 6]) == [
        (0, "raised"),
        (66, "cleared"),
    ]
    assert walked("gate", ["bad", *["fine", "between"] * 30]) == [(0, "raised")]


def test_an_alert_that_goes_on_is_told_again_after_the_repeat_time() -> None:
    told = walked("gate", ["bad"] * 7, repeat_ms=3 * MINUTE_MS)

    assert told == [(0, "raised"), (3, "still"), (6, "still")]
    assert walked("gate", ["bad"] * 7) == [(0, "raised")]
    assert walked("gate", ["fine"] * 7, repeat_ms=3 * MINUTE_MS) == []


def test_subjects_do_not_share_their_patience() -> None:
    book = Book()
    for minute, subject in enumerate(["a", "b", "a", "b", "a", "b"]):
        book = turned(book, [reading("backlog", "bad", subject)], minute * MINUTE_MS, repeat_ms=0)

    assert book.past == ()


def test_an_alert_about_what_is_gone_is_cleared() -> None:
    book = turned(Book(), [reading("gate", "bad"), reading("token", "fine")], 0, repeat_ms=0)
    after = turned(book, [], MINUTE_MS, repeat_ms=0)

    assert [(one.kind, one.text) for one in after.past] == [
        ("cleared", GONE),
        ("raised", "it is bad"),
    ]
    assert after.standings == ()


def test_what_was_not_sent_stays_until_somebody_takes_it_off_but_is_bounded() -> None:
    book = Book()
    for minute in range(UNSENT_MAX + PAST_MAX):
        word = "bad" if minute % 2 == 0 else "fine"
        book = turned(book, [reading("conversions", word)], minute * MINUTE_MS, repeat_ms=0)

    assert (len(book.unsent), len(book.past)) == (UNSENT_MAX, PAST_MAX)
    assert book.unsent[-1] == book.past[0]
    assert book.unsent[0].at_ms < book.unsent[-1].at_ms


def test_a_token_begins_to_age_when_it_is_first_seen_and_anew_when_it_changes() -> None:
    first = seen(Book(), {"a": "1", "b": "1"}, 0)
    later = seen(first, {"a": "1", "b": "2"}, DAY_MS)

    assert later.tokens == {
        "a": TokenSeen(fingerprint="1", since_ms=0),
        "b": TokenSeen(fingerprint="2", since_ms=DAY_MS),
    }
    assert set(seen(later, {"a": "1"}, 2 * DAY_MS).tokens) == {"a"}


def test_a_book_is_read_as_it_was_written() -> None:
    book = turned(seen(Book(), {"a": "1"}, 0), [reading("gate", "bad")], 5, repeat_ms=0)

    assert decode(encode(book)) == book
    assert book.unsent == (
        Notice(at_ms=5, kind="raised", rule="gate", subject="shop-1", text="it is bad"),
    )


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"past": 1}', b"[" * 100_000])
def test_an_unreadable_book_is_begun_anew(body: bytes) -> None:
    assert decode(body) == Book()
