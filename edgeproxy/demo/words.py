"""What people read about an event: its fate in plain words, and what Snap can match it by.

Used by the dock and by the terminal, so that both say the same.
"""

from collections.abc import Mapping

import msgspec

from edgeproxy.demo.journey import Card, Fate, Try


class Word(msgspec.Struct, frozen=True):
    """A fate: the colour of its chip, the chip's text, and a sentence."""

    tone: str
    short: str
    sentence: str


FATES: dict[Fate, Word] = {
    "stored": Word("wait", "Stored", "It is on disk; the browser has its 202. Snap gets it next."),
    "sent": Word("wait", "On its way", "It is on its way to Snap."),
    "delivered": Word("good", "Accepted", "Snap has accepted it."),
    "again": Word("warn", "Tries again", "Snap did not take it this time; it stays on disk."),
    "paused": Word("warn", "Paused", "Snap refuses the pixel or its token; the events wait."),
    "refused": Word("bad", "Refused", "Snap refuses this event; it goes to the dead letters."),
    "duplicate": Word("quiet", "Duplicate", "It is known already: stored once, sent once."),
    "dropped": Word("quiet", "Dropped", "It is counted and not kept."),
    "absorbed": Word(
        "quiet", "Kept here", "It says who the visitor is. Later events carry it, hashed."
    ),
    "rejected": Word("bad", "Unusable", "The event cannot be used."),
}

DROPS: dict[str, tuple[str, str]] = {
    "no_consent": (
        "No consent",
        "The visitor has not agreed. Nothing is stored, nothing is sent, no cookie is set.",
    ),
    "gpc": (
        "Privacy signal",
        "The browser sends Global Privacy Control. That is a no, whatever else was agreed to.",
    ),
    "bot": ("Robot", "The user agent is a robot’s. Snap need not hear of it."),
    "prefetch": ("Prefetch", "The browser fetched the page in advance; nobody has seen it yet."),
    "unmapped": ("No mapping", "No integration wants an event of this name, so it goes nowhere."),
}
"""Reason → what the chip and the sentence say."""

MATCHES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("click id", ("click_id", "sc_click_id")),
    ("_scid", ("uuid_c1", "sc_cookie1")),
    ("e-mail", ("hashed_email", "em")),
    ("phone", ("hashed_phone_number", "ph")),
    ("name", ("hashed_first_name_sha", "hashed_last_name_sha", "fn", "ln")),
    ("address", ("hashed_city_sha", "hashed_zip", "ct", "zp")),
    ("IP", ("hashed_ip_address", "client_ip_address")),
    ("user agent", ("user_agent", "hashed_user_agent", "client_user_agent")),
)
"""What Snap matches by → the fields of either wire version that carry it."""


def word_of(card: Card) -> Word:
    """The fate of a card, with the reason where there is one."""
    word = FATES[card.fate]
    if card.fate == "dropped":
        short, sentence = DROPS.get(card.reason, (word.short, word.sentence))
        return Word(word.tone, short, sentence)
    if card.fate == "rejected" and card.reason:
        return Word(word.tone, word.short, f"The event cannot be used: {card.reason}.")
    return word


def matches(sent: Mapping[str, object]) -> list[str]:
    """What a sent event can be matched by."""
    user = sent.get("user_data")
    present = {*sent, *(user if isinstance(user, dict) else ())}
    return [name for name, fields in MATCHES if present.intersection(fields)]


def said(answer: Try) -> str:
    """One answer of Snap in a few words."""
    status = "no answer" if answer.status is None else str(answer.status)
    return f"{status} {answer.message}".strip()


def latency(answer: Try) -> str:
    """How long it took, as people read it."""
    return (
        f"{answer.latency_ms:.1f} ms" if answer.latency_ms < 10 else f"{answer.latency_ms:.0f} ms"
    )
