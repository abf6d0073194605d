"""From a stored row to what Snap shall see, or to the reason why it never will."""

from collections.abc import Callable, Iterable

import msgspec

from edgeproxy.delivery.batch import Batch, Ready
from edgeproxy.errors import CannotMap
from edgeproxy.event import Event, Person, Sealed, decode_event, decode_person, merge_person
from edgeproxy.outcome import Verdict
from edgeproxy.routing import bound_to
from edgeproxy.sites import Integration
from edgeproxy.snap.dialect import Dialect
from edgeproxy.store.base import Dead, Row

DAY_MS = 86_400_000
MAX_AGE_MS = {"WEB": 7 * DAY_MS, "MOBILE_APP": 7 * DAY_MS, "OFFLINE": 37 * DAY_MS}
"""How old an event may be when it is sent. Source: Snap, Conversions API v3, event_time."""

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_SEALED = msgspec.json.Decoder(Sealed)
_NOBODY = Person()
_MASK = "••••"


class Renderer:
    """Renders the rows of one integration that were handed out together.

    Args:
        integration: Whose rows.
        dialect: The wire version that it speaks.
        open_box: Opens a sealed box; None for an unreadable one.
        now_ms: The time at which events must not be too old.

    Attributes:
        unreadable: How many boxes could not be opened or belong to other rows; their events go
            out without what was in them.
        broken: The errors of the dialect itself, one for each event that it cost.
    """

    def __init__(
        self,
        integration: Integration,
        dialect: Dialect,
        open_box: Callable[[bytes], bytes | None],
        *,
        now_ms: int,
    ) -> None:
        self._integration = integration
        self._dialect = dialect
        self._open_box = open_box
        self._now_ms = now_ms
        self._opened: dict[bytes, Sealed | None] = {}
        self.unreadable = 0
        self.broken: list[Exception] = []

    def render(self, row: Row) -> Ready | Dead:
        """The row ready to be sent, or dead with its reason.

        The same row gives the same fields on every attempt, as long as its extras can be opened.
        """
        try:
            event = decode_event(row.body)
        except _UNREADABLE:
            return Dead(id=row.id, reason="unrenderable", detail="the stored event is unreadable")
        if self._now_ms - event.time_ms > MAX_AGE_MS[event.channel]:
            return Dead(id=row.id, reason="expired", detail="it became too old for Snap")
        try:
            return self._encode(row, _completed(event, row.known))
        except CannotMap as refusal:
            return Dead(id=row.id, reason=refusal.reason, detail=refusal.detail)
        except Exception as error:  # one odd event must not stop all the others for ever
            self.broken.append(error)
            detail = f"it could not be put into Snap's form ({type(error).__name__})"
            return Dead(id=row.id, reason="unrenderable", detail=detail)

    def _encode(self, row: Row, event: Event) -> Ready:
        opened = self._extras(row)
        wire = self._dialect.encode(event, self._integration, opened)
        return Ready(row=row, event=event, wire=wire, opened=opened)

    def _extras(self, row: Row) -> Sealed | None:
        """What was sealed beside the event, if it can be opened and belongs to this row."""
        if not row.sealed:
            return None
        if row.sealed not in self._opened:
            self._opened[row.sealed] = self._open(row.sealed)
        opened = self._opened[row.sealed]
        if opened is None or opened.bound_to != bound_to(
            self._integration.id, row.visitor, row.key
        ):
            self.unreadable += 1
            return None
        return opened

    def _open(self, box: bytes) -> Sealed | None:
        plain = self._open_box(box)
        if plain is None:
            return None
        try:
            return _SEALED.decode(plain)
        except _UNREADABLE:
            return None


def scrubbed(verdict: Verdict, batch: Batch) -> Verdict:
    """The verdict with the raw values that we sent masked in Snap's words: Snap may quote them."""
    if verdict.kind == "delivered":
        return verdict
    every = {secret for each in batch for secret in each.secrets}
    if not every:
        return verdict
    return msgspec.structs.replace(
        verdict,
        message=_masked(verdict.message, every),
        dead={place: _masked(words, every) for place, words in verdict.dead.items()},
    )


def _masked(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, _MASK)
    return text


def _completed(event: Event, known: bytes) -> Event:
    """The event with what was known of its visitor when it was accepted."""
    if not known:
        return event
    try:
        person = decode_person(known)
        who = merge_person(event.who, person) if event.who != _NOBODY else person
    except _UNREADABLE:
        return event
    return event if who is event.who else msgspec.structs.replace(event, who=who)
