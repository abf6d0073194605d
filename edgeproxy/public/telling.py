"""What a request's events are told as to whoever watches: what came in, and what became of it.

Everything here is redacted: digests, names of properties, choices. An event that is never built is
told by the names in it alone, and without consent nothing of its visitor is.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from edgeproxy.event import Event
from edgeproxy.intake.raw import RawEvent, Rejected
from edgeproxy.public.ask import Ask
from edgeproxy.public.contact import Contact
from edgeproxy.routing import Choice, wire_id
from edgeproxy.sites import Source
from edgeproxy.store.base import Fate
from edgeproxy.trace import Stage, Step, Watch

UNREADABLE = "(unreadable)"
"""The name under which an event is told that could not even be read."""


class Teller:
    """Tells of the events of one request.

    Args:
        watch: Who is told.
        ask: The request.
        contact: Whose it is.
        source: Where it came from.
        new_id: Names events in traces that came without an id.

    Attributes:
        visitor: The visitor's name in the store, b"" while it is not known or not allowed.
    """

    def __init__(
        self,
        watch: Watch,
        ask: Ask,
        contact: Contact,
        source: Source,
        new_id: Callable[[], str],
    ) -> None:
        self.visitor = b""
        self._watch = watch
        self._contact = contact
        self._source = source
        self._new_id = new_id
        self._circumstances = _circumstances(ask, contact, source)

    def dropped(self, raw: RawEvent, reason: str) -> None:
        """An event goes nowhere."""
        self._tell("dropped", self._received(raw), raw.name, {"reason": reason})

    def refused(self, raw: RawEvent, code: str, reason: str) -> None:
        """An event was read and cannot be taken."""
        self._tell("rejected", self._received(raw), raw.name, {"code": code, "reason": reason})

    def unread(self, rejected: Rejected) -> None:
        """An event could not be read."""
        why = {"code": rejected.code, "reason": rejected.reason}
        self._tell("rejected", self._new_id(), UNREADABLE, why)

    def taken(
        self, raw: RawEvent, event: Event, choices: Sequence[Choice], fates: Sequence[Fate]
    ) -> None:
        """An event is durable: as it is after hashing, and under which rules it was queued."""
        came = {"call": raw.call, "event": msgspec.to_builtins(event), **self._circumstances}
        self._tell("received", event.id, raw.name, came)
        for choice, fate in zip(choices, fates, strict=True):
            self._tell(
                "queued" if fate is Fate.ACCEPTED else "duplicate",
                wire_id(event.id, choice),
                choice.name,
                {"received_id": event.id, "rule": choice.rule},
                choice.target.integration.id,
            )

    def _received(self, raw: RawEvent) -> str:
        event_id = raw.id or self._new_id()
        names = sorted(raw.properties)
        came = {"call": raw.call, "properties": names, **self._circumstances}
        self._tell("received", event_id, raw.name, came)
        return event_id

    def _tell(
        self,
        stage: Stage,
        event_id: str,
        name: str,
        data: Mapping[str, object],
        integration: str = "",
    ) -> None:
        self._watch(
            Step(
                at_ms=self._contact.now_ms,
                stage=stage,
                event_id=event_id,
                name=name,
                source=self._source.id,
                integration=integration,
                visitor=self.visitor.hex(),
                data=dict(data),
            )
        )


def _circumstances(ask: Ask, contact: Contact, source: Source) -> dict[str, object]:
    """What was allowed, and who it was as far as that lets us know, in a few words."""
    allowed = not contact.decision.reason
    told: dict[str, object] = {"allowed": allowed, "consent": _consent(ask, contact, source)}
    if allowed:
        told["identity"] = _identity(contact)
    return told


def _consent(ask: Ask, contact: Contact, source: Source) -> str:
    decision, visitor = contact.decision, contact.visitor
    if ask.gpc:
        return "the browser sends Global Privacy Control"
    if decision.withdraw:
        return "the visitor says no now"
    if decision.reason:
        refused = visitor.optout or visitor.consent is False
        return "a refusal is remembered" if refused else "the visitor has not agreed"
    if decision.record is None:
        return f"nobody said no, and the source's rule is {source.consent}"
    return "a yes is remembered" if visitor.consent else "the visitor says yes now"


def _identity(contact: Contact) -> str:
    visitor = contact.visitor
    if visitor.minted:
        who = "a new visitor"
    elif visitor.held is not None:
        who = "known by its cookies, the signed one among them"
    else:
        who = "known by its id"
    if not visitor.click_id:
        return f"{who}; no ad click"
    fresh = visitor.click_at_s == contact.now_s
    return f"{who}; {'an ad click of now' if fresh else 'a remembered ad click'}"
