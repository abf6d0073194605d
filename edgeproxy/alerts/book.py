"""What stands of the alerts: which are raised, what was told, what is still to be told. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from edgeproxy.alerts.rules import RULES, Reading, Rule

PAST_MAX = 50
"""So many notices are remembered for people."""

UNSENT_MAX = 50
"""So many wait for a webhook that does not answer; the oldest go first."""

_BY_NAME = {rule.name: rule for rule in RULES}


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One rule about one subject, between two looks.

    Attributes:
        rule: Its name.
        subject: An integration or a source.
        raised: Whether it is an alert now.
        since_ms: When it became what it is.
        turning_ms: Since when the readings have said the other thing; None when they have not.
        told_ms: When people were last told.
        text: What the last reading said.
    """

    rule: str
    subject: str
    raised: bool = False
    since_ms: int = 0
    turning_ms: int | None = None
    told_ms: int = 0
    text: str = ""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something to tell people."""

    at_ms: int
    kind: Literal["raised", "still", "cleared"]
    rule: str
    subject: str
    text: str


class TokenSeen(msgspec.Struct, frozen=True, kw_only=True):
    """An access token by its fingerprint, and since when it is in use."""

    fingerprint: str
    since_ms: int


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, as it is stored.

    Attributes:
        checked_ms: When somebody last looked.
        standings: Every rule about every subject.
        tokens: Integration → its token.
        unsent: Told to nobody yet.
        past: What was told, newest first.
    """

    checked_ms: int = 0
    standings: tuple[Standing, ...] = ()
    tokens: dict[str, TokenSeen] = {}
    unsent: tuple[Notice, ...] = ()
    past: tuple[Notice, ...] = ()


def encode(book: Book) -> bytes:
    """The book as stored."""
    return msgspec.json.encode(book)


def decode(body: bytes) -> Book:
    """The book; an empty one when what is stored cannot be read: an alert is raised anew then."""
    try:
        return msgspec.json.decode(body, type=Book)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Book()


def seen(book: Book, fingerprints: Mapping[str, str], now_ms: int) -> Book:
    """The book after a look at the tokens; one that changed begins to age anew."""
    tokens = {
        name: known
        if (known := book.tokens.get(name)) is not None and known.fingerprint == fingerprint
        else TokenSeen(fingerprint=fingerprint, since_ms=now_ms)
        for name, fingerprint in fingerprints.items()
    }
    return replace(book, tokens=tokens)


def turned(book: Book, readings: Sequence[Reading], now_ms: int, *, repeat_ms: int) -> Book:
    """The book after a look.

    Args:
        book: Before.
        readings: What the rules say.
        now_ms: When.
        repeat_ms: After how long an alert that goes on is told again; 0 is never.
    """
    before = {(one.rule, one.subject): one for one in book.standings}
    standings: list[Standing] = []
    notices: list[Notice] = []
    for reading in readings:
        standing = before.pop((reading.rule, reading.subject), None)
        standing = standing or Standing(rule=reading.rule, subject=reading.subject, since_ms=now_ms)
        after, kind = advanced(standing, reading, _BY_NAME[reading.rule], now_ms, repeat_ms)
        standings.append(after)
        notices += [_notice(after, kind, now_ms)] if kind else []
    gone = [one for one in before.values() if one.raised]
    notices += [_notice(replace(one, text=GONE), "cleared", now_ms) for one in gone]
    return replace(
        book,
        checked_ms=now_ms,
        standings=tuple(standings),
        unsent=(*book.unsent, *notices)[-UNSENT_MAX:],
        past=(*reversed(notices), *book.past)[:PAST_MAX],
    )


GONE = "it is switched off or no longer configured"

_Kind = Literal["raised", "still", "cleared"]


def advanced(
    standing: Standing, reading: Reading, rule: Rule, now_ms: int, repeat_ms: int
) -> tuple[Standing, _Kind | None]:
    """A standing after one more reading, and what people are to be told."""
    turning = reading.fine if standing.raised else reading.bad
    now = replace(standing, text=reading.text)
    if not turning:
        due = standing.raised and repeat_ms and now_ms - standing.told_ms >= repeat_ms
        kind: _Kind | None = "still" if due else None
        told_ms = now_ms if due else standing.told_ms
        return replace(now, turning_ms=None, told_ms=told_ms), kind
    begun_ms = now_ms if standing.turning_ms is None else standing.turning_ms
    patience_s = rule.clear_after_s if standing.raised else rule.raise_after_s
    if now_ms - begun_ms < patience_s * 1000:
        return replace(now, turning_ms=begun_ms), None
    after = replace(
        now, raised=not standing.raised, since_ms=now_ms, turning_ms=None, told_ms=now_ms
    )
    return after, "raised" if after.raised else "cleared"


def _notice(standing: Standing, kind: _Kind, now_ms: int) -> Notice:
    return Notice(
        at_ms=now_ms,
        kind=kind,
        rule=standing.rule,
        subject=standing.subject,
        text=standing.text,
    )
