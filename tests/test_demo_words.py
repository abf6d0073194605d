"""Plain words for each fate, and what Snap can match an event by."""

import typing

import pytest

from edgeproxy.demo import words
from edgeproxy.demo.journey import Card, Fate, Try


def card(fate: Fate, reason: str = "") -> Card:
    return Card(n=1, at_ms=0, id="e1", fate=fate, reason=reason)


def test_every_fate_has_its_words() -> None:
    assert set(words.FATES) == set(typing.get_args(Fate))


@pytest.mark.parametrize("reason", ["no_consent", "gpc", "bot", "prefetch", "unmapped"])
def test_every_reason_of_a_drop_has_its_words(reason: str) -> None:
    word = words.word_of(card("dropped", reason))
    assert word.sentence == words.DROPS[reason][1]
    assert "_" not in word.short + word.sentence


def test_an_unknown_reason_still_reads_well() -> None:
    assert words.word_of(card("dropped", "new")) == words.FATES["dropped"]


def test_an_unusable_event_is_explained() -> None:
    assert words.word_of(card("rejected", "it is too long")).sentence.endswith("it is too long.")
    assert words.word_of(card("rejected")) == words.FATES["rejected"]


def test_matches_are_read_from_both_wire_versions() -> None:
    v2 = {"event_type": "PURCHASE", "click_id": "c", "hashed_email": "…", "uuid_c1": "s"}
    v3 = {"event_name": "PURCHASE", "user_data": {"sc_click_id": "c", "em": ["…"]}}
    assert words.matches(v2) == ["click id", "_scid", "e-mail"]
    assert words.matches(v3) == ["click id", "e-mail"]
    assert words.matches({}) == []


def test_an_answer_is_told_shortly() -> None:
    yes = Try(outcome="delivered", status=200, message="fine", latency_ms=3.21)
    no = Try(outcome="transient", message="refused", latency_ms=1234.5)
    assert (words.said(yes), words.latency(yes)) == ("200 fine", "3.2 ms")
    assert words.said(no) == "no answer refused"
    assert words.latency(no) == "1234 ms"
