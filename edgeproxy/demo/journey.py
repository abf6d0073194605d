"""The steps of all events, put together: one card for each event on its way.

Told step by step by `Journey.take`, in whatever order steps come; pure but for calling those who
listen. What it holds is what steps hold: digests, no raw e-mail, phone, address or user agent.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

from edgeproxy.trace import Step

KEPT = 200
"""Cards; older ones are forgotten, but stay counted."""

Fate = Literal[
    "stored",
    "sent",
    "delivered",
    "again",
    "paused",
    "refused",
    "duplicate",
    "dropped",
    "absorbed",
    "rejected",
]

FINAL: frozenset[Fate] = frozenset(
    ("delivered", "refused", "duplicate", "dropped", "absorbed", "rejected")
)
"""Nothing more happens to an event of these fates."""

_OF_OUTCOME: dict[str, Fate] = {
    "delivered": "delivered",
    "rejected": "refused",
    "too_large": "refused",
    "paused_auth": "paused",
}


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of Snap. `status` is None without an answer; `outcome` is delivery's word."""

    outcome: str
    status: int | None = None
    message: str = ""
    latency_ms: float = 0.0


class Card(msgspec.Struct, kw_only=True):
    """One event. Changes while it is on its way; `rev` grows with each change of any card.

    Attributes:
        n: Its number, from 1.
        at_ms: When it came in, Unix ms.
        id: The event id.
        called: The name that the page used, "" when only delivery told of it.
        name: Snap's name, "" when it has none.
        fate: What became of it so far.
        reason: Why it was dropped or rejected.
        rule: By which rule the name was mapped.
        taken: The event as it was after hashing.
        sent: The fields on the wire, masked.
        path, together: Of the request, and how many events it held.
        low_match: Whether Snap can hardly match it.
        tries: Snap's answers, oldest first.
    """

    n: int
    rev: int = 0
    at_ms: int
    id: str
    called: str = ""
    name: str = ""
    fate: Fate = "stored"
    reason: str = ""
    rule: str = ""
    taken: dict[str, Any] = {}
    sent: dict[str, Any] = {}
    path: str = ""
    together: int = 0
    low_match: bool = False
    tries: tuple[Try, ...] = ()

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.fate in FINAL


Listener = Callable[[Card | None], None]
"""Called with a card that changed, and with None when there will be no more changes."""


class Journey:
    """All cards.

    Attributes:
        rev: The number of the last change.
        totals: How many events have each fate now.
        closed: Whether the end has come.
    """

    def __init__(self, *, kept: int = KEPT) -> None:
        self.rev = 0
        self.totals: Counter[str] = Counter()
        self.closed = False
        self._kept = kept
        self._count = 0
        self._cards: dict[int, Card] = {}
        self._by_wire: dict[tuple[str, str, str], Card] = {}
        self._received: dict[str, Step] = {}
        self._listeners: list[Listener] = []

    @property
    def cards(self) -> list[Card]:
        """The kept cards, newest first."""
        return list(self._cards.values())[::-1]

    @property
    def listening(self) -> int:
        """How many are told of changes."""
        return len(self._listeners)

    def since(self, rev: int) -> list[Card]:
        """The kept cards that changed after a change's number, in the order of their changes."""
        changed = [card for card in self._cards.values() if card.rev > rev]
        return sorted(changed, key=lambda card: card.rev)

    @contextlib.contextmanager
    def told(self, listener: Listener) -> Iterator[None]:
        """Call a listener at every change for the length of the block."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def close(self) -> None:
        """Tell all that nothing more will come."""
        self.closed = True
        for listener in list(self._listeners):
            listener(None)

    def take(self, step: Step) -> None:
        """Note one step of an event."""
        if step.stage == "received":
            self._received[step.event_id] = step
            if len(self._received) > self._kept:
                del self._received[next(iter(self._received))]
        elif step.stage in ("queued", "duplicate"):
            self._admitted(step)
        elif step.stage in ("dropped", "rejected"):
            self._turned_away(step)
        elif step.stage != "dead":  # the answer has told that already
            self._travelled(step)

    def _admitted(self, step: Step) -> None:
        """Stored, or known already; the page's own side was told just before."""
        again = step.stage == "duplicate"
        card = self._new(step) if again else self._of_wire(step)
        received = self._received.get(str(step.data.get("received_id", "")))
        if received is not None:
            card.called = received.name
            card.taken = _mapping(received.data.get("event"))
        card.name = step.name
        card.rule = str(step.data.get("rule", ""))
        self._change(card, "duplicate" if again else card.fate)

    def _turned_away(self, step: Step) -> None:
        card = self._new(step)
        card.called = step.name
        card.reason = str(step.data.get("reason", ""))
        if step.stage == "rejected":
            self._change(card, "rejected")
        else:
            self._change(card, "absorbed" if card.reason == "internal" else "dropped")

    def _travelled(self, step: Step) -> None:
        card = self._of_wire(step)
        data = step.data
        card.name = step.name
        if step.stage == "sent":
            card.sent = _mapping(data.get("fields"))
            card.path = str(data.get("path", ""))
            card.together = _number(data.get("events"))
            card.low_match = data.get("low_match") is True
            self._change(card, "sent")
            return
        answer = msgspec.convert(data, Try, strict=False)
        card.tries = (*card.tries, answer)
        self._change(card, _fate(answer, together=card.together))

    def _of_wire(self, step: Step) -> Card:
        """The card of an event on the wire: delivery may be heard of before the intake."""
        key = (step.integration or str(step.data.get("integration", "")), step.name, step.event_id)
        card = self._by_wire.get(key)
        if card is None:
            card = self._by_wire[key] = self._new(step)
            if len(self._by_wire) > self._kept:
                del self._by_wire[next(iter(self._by_wire))]
        return card

    def _new(self, step: Step) -> Card:
        self._count += 1
        card = Card(n=self._count, at_ms=step.at_ms, id=step.event_id)
        self._cards[card.n] = card
        self.totals[card.fate] += 1
        if len(self._cards) > self._kept:
            del self._cards[next(iter(self._cards))]
        return card

    def _change(self, card: Card, fate: Fate) -> None:
        self.totals[card.fate] -= 1
        self.totals[fate] += 1
        card.fate = fate
        self.rev += 1
        card.rev = self.rev
        for listener in list(self._listeners):
            listener(card)


def _fate(answer: Try, *, together: int) -> Fate:
    """What an answer means for one event; a refused batch is taken apart and sent again."""
    fate = _OF_OUTCOME.get(answer.outcome, "again")
    whole = answer.status is None or answer.status >= 300
    return "again" if fate == "refused" and together > 1 and whole else fate


def _mapping(value: object) -> dict[str, Any]:
    """An object without what says nothing."""
    if not isinstance(value, dict):
        return {}
    told = {key: _mapping(one) if isinstance(one, dict) else one for key, one in value.items()}
    return {key: one for key, one in told.items() if one not in ("", {}, [], ())}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
