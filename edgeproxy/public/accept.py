"""The one path of every event: identity, consent, routing, hashing, sealing, append, count.

Callers of all shapes come through `accept`; a second path would be a second set of rules.
"""

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from edgeproxy.addresses import is_visitor
from edgeproxy.consent import Decision
from edgeproxy.event import Event, encode_person
from edgeproxy.intake.build import MAX_AGE_MS, Scene, build_event, skew_ms
from edgeproxy.intake.person import NOBODY, read_person
from edgeproxy.intake.raw import RawBatch, RawEvent, Rejected, Unacceptable
from edgeproxy.public.ask import Ask
from edgeproxy.public.contact import cookies_of, meet, visitor_name, withdraw
from edgeproxy.public.heard import Heard
from edgeproxy.public.state import State
from edgeproxy.public.telling import Teller
from edgeproxy.public.told import address_hmac, sha256, told
from edgeproxy.registry import Site
from edgeproxy.routing import (
    Choice,
    Extras,
    Plan,
    Target,
    bound_to,
    entry,
    extras_for,
    plan,
)
from edgeproxy.store.base import Binding, Entry, Fate, Item
from edgeproxy.urls import clean_page_url

_SEAL = msgspec.json.Encoder()


class Answer(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What became of a batch's events. `dropped` names only reasons that occurred."""

    accepted: int
    duplicates: int
    dropped: dict[str, int]
    rejected: tuple[Rejected, ...]


class Accepted(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The answer and the `Set-Cookie` values that go with it."""

    answer: Answer
    cookies: Sequence[bytes] = ()

    @property
    def status(self) -> int:
        """202, or 422 when every event was refused."""
        answer = self.answer
        nothing = not (answer.accepted or answer.duplicates or answer.dropped)
        return 422 if nothing and answer.rejected else 202


async def accept(batch: RawBatch, ask: Ask, site: Site, state: State) -> Accepted:
    """Take a batch; durable when this returns.

    Raises:
        StoreBusy: Nothing of it was acknowledged; the caller repeats it.
    """
    intake = Intake(batch, ask, site, state)
    if intake.contact.decision.withdraw:
        await withdraw(intake.contact, site, state)
    intake.prepare()
    intake.build()
    intake.seal()
    items = intake.items()
    fates = await state.store.append(items) if items else ()
    return intake.taken(fates)


def _refusal(ask: Ask, bot: bool, decision: Decision, site: Site) -> str:
    """Why nothing of this request is stored; "" when its events may be."""
    if decision.reason == "gpc":
        return "gpc"
    if ask.speculative:
        return ask.speculative
    if bot:
        return "bot"
    if decision.reason and not any(
        decision.allows(target.integration.consent_categories) for target in site.targets
    ):
        return decision.reason
    return ""


class Intake:
    """The events of one request on their way into the store.

    The steps in their order: `prepare`, `build`, `seal`, `items`, and `taken` once those are
    durable. They are apart so that many requests can go through each of them side by side.
    With `heard` it is a server that speaks of a visitor: no robot, no cookies, its own words.

    Attributes:
        contact: Whose request it is.
        site: Where it came from.
    """

    __slots__ = (
        "_address",
        "_ask",
        "_batch",
        "_boxes",
        "_dropped",
        "_fill",
        "_heard",
        "_known",
        "_now_ms",
        "_ready",
        "_refusal",
        "_rejected",
        "_scene",
        "_state",
        "_teller",
        "_told",
        "_visitor",
        "contact",
        "site",
    )

    def __init__(
        self, batch: RawBatch, ask: Ask, site: Site, state: State, heard: Heard | None = None
    ) -> None:
        self._batch, self._ask, self.site, self._state = batch, ask, site, state
        self._heard = heard
        self.contact = contact = (
            heard.contact
            if heard is not None
            else meet(
                ask,
                site,
                state,
                consent=batch.consent,
                click_id=batch.click_id,
                page_url=batch.page_url,
                referrer=batch.referrer,
                properties=[event.properties for event in batch.events if event.properties],
            )
        )
        self._told = told(state.trace_key, ask.user_agent)
        bot = self._told.bot and heard is None
        self._refusal = _refusal(ask, bot, contact.decision, site)
        self._now_ms = contact.now_ms
        self._visitor = b""
        self._teller = self._tells(state)
        self._rejected: list[Rejected] = list(batch.rejected)
        self._dropped: dict[str, int] = {}
        self._boxes: dict[str, bytes] = {}
        self._ready: list[tuple[RawEvent, Event | None, tuple[Choice, ...]]] = []

    def _tells(self, state: State) -> Teller | None:
        batch = self._batch
        events = len(batch.events) + len(batch.rejected)
        watch = None if state.watching is None else state.watching(events)
        if watch is None:
            return None
        teller = Teller(watch, self._ask, self.contact, self.site.source, state.new_id)
        for rejected in batch.rejected:
            teller.unread(rejected)
        return teller

    def prepare(self) -> None:
        """Work out what the events have in common: the person, hashed, and the page."""
        if self._refusal:
            return
        ask, batch, source = self._ask, self._batch, self.site.source
        contact, told, now_ms = self.contact, self._told, self._now_ms
        visitor = contact.visitor
        self._address = ask.address if is_visitor(ask.address) else ""
        heard = self._heard
        self._visitor = (
            visitor_name(self._state, source.id, visitor.scid) if heard is None else heard.visitor
        )
        if self._teller is not None:
            self._teller.visitor = self._visitor
        self._known = read_person(batch.user, source.default_country)
        said = self._known.person != NOBODY and not contact.decision.reason
        self._fill = encode_person(self._known.person) if said else b""
        advertising = not contact.decision.reason
        self._scene = Scene(
            source=source.id,
            channel="WEB" if heard is None else heard.report.channel,
            now_ms=now_ms,
            skew_ms=0 if batch.sent_at is None else skew_ms(batch.sent_at, now_ms),
            page_url=clean_page_url(batch.page_url),
            scid=visitor.scid if advertising else "",
            click_id=visitor.click_id if advertising else "",
            own_clicks=advertising,
            default_country=source.default_country,
            known=self._known,
            device=told.device if heard is None else heard.report.device or told.device,
            address_hmac=address_hmac(self._state.trace_key, self._address),
            agent_hmac=told.hmac,
        )

    def build(self) -> None:
        """Route the events and make the canonical ones, or count why not."""
        for raw in self._batch.events:
            if self._refusal:
                self._drop(raw, self._refusal)
                continue
            routed = self._route(raw)
            built = self._build(raw, routed) if routed.choices else None
            self._ready.append((raw, built, routed.choices))

    def seal(self) -> None:
        """Encrypt what only the wire may see, once for each integration."""
        for _, built, choices in self._ready:
            if built is not None:
                for choice in choices:
                    self._seal(choice.target)

    def items(self) -> list[Item]:
        """What is for the store."""
        items: list[Item] = []
        bindings = self._bindings() if self._ready else []
        for raw, built, choices in self._ready:
            if raw.name == "reset" and raw.call != "page":
                bindings.append(Binding(visitor=self._visitor, forget=True))
            if bindings:
                items += [Item((), binding) for binding in bindings]
                bindings = []
            if built is not None:
                items.append(Item(self._entries(built, choices)))
        return items

    def _bindings(self) -> list[Binding]:
        """What the batch says of its visitor, kept for all later events; only with consent."""
        if not self._fill:
            return []
        names = (self._visitor,) if self._heard is None else self._heard.names
        return [Binding(visitor=name, traits=self._fill) for name in names]

    def _route(self, raw: RawEvent) -> Plan:
        routed = _plan(self.site, raw, self._batch.pixels, self.contact.decision)
        if routed.reason:
            self._drop(raw, routed.reason)
        return routed

    def _drop(self, raw: RawEvent, reason: str) -> None:
        self._dropped[reason] = self._dropped.get(reason, 0) + 1
        if self._teller is not None:
            self._teller.dropped(raw, reason)

    def _build(self, raw: RawEvent, routed: Plan) -> Event | None:
        first = routed.choices[0]
        try:
            return build_event(
                raw,
                self._scene,
                sign_up=routed.sign_up,
                new_id=self._state.new_id,
                name=first.name,
                privacy=first.target.integration.privacy,
            )
        except Unacceptable as no:
            self._rejected.append(Rejected(raw.index, no.code, no.reason))
            if self._teller is not None:
                self._teller.refused(raw, no.code, no.reason)
            return None

    def _entries(self, event: Event, choices: Sequence[Choice]) -> tuple[Entry, ...]:
        expires_ms = event.time_ms + MAX_AGE_MS[event.channel]
        visitor, boxes = self._visitor, self._boxes
        return tuple(
            [
                entry(
                    event,
                    one,
                    visitor=visitor,
                    expires_ms=expires_ms,
                    sealed=boxes[one.target.integration.id],
                    fill=self._fill,
                )
                for one in choices
            ]
        )

    def _seal(self, to: Target) -> None:
        integration = to.integration
        if integration.id in self._boxes:
            return
        known = self._known
        sealed = extras_for(
            integration,
            Extras(
                user_agent=self._ask.user_agent,
                address=self._address,
                mobile_ad_id=known.mobile_ad_id,
                idfv=known.idfv,
            ),
            bound_to=bound_to(integration.id, self._visitor, b""),
            sha256=sha256,
        )
        if self._heard is not None:
            sealed = self._heard.with_digest(sealed, integration.id)
        box = b"" if sealed is None else self._state.seal(_SEAL.encode(sealed))
        self._boxes[integration.id] = box

    def taken(self, fates: Sequence[Sequence[Fate]]) -> Accepted:
        """What happened, once it is durable; delivery is told."""
        of_events = [fate for fate in fates if fate]
        accepted = 0
        for fate in of_events:
            accepted += Fate.ACCEPTED in fate
        wake = self._state.wake
        for integration in self._boxes:
            wake(integration)
        if self._teller is not None:
            told = iter(of_events)
            for raw, event, choices in self._ready:
                if event is not None:
                    self._teller.taken(raw, event, choices, next(told))
        duplicates, rejected = len(of_events) - accepted, self._rejected
        self._count(accepted, duplicates)
        answer = Answer(
            accepted=accepted,
            duplicates=duplicates,
            dropped=self._dropped,
            rejected=tuple(sorted(rejected, key=_index)) if rejected else (),
        )
        return Accepted(answer=answer, cookies=self._cookies())

    def _cookies(self) -> Sequence[bytes]:
        """The cookies of the answer; robots, prefetchers and servers get none."""
        if self._heard is not None or self._refusal in ("bot", "prefetch"):
            return ()
        return cookies_of(self.contact, self.site, self._state)

    def _count(self, accepted: int, duplicates: int) -> None:
        counts, source = self._state.meter.counts, self.site.source.id
        counts["in", source, "accepted", ""] += accepted
        if duplicates:
            counts["in", source, "duplicates", ""] += duplicates
        if self._rejected:
            counts["in", source, "rejected", ""] += len(self._rejected)
        for reason, count in self._dropped.items():
            counts["in", source, f"dropped.{reason}", ""] += count


def _index(rejected: Rejected) -> int:
    return rejected.index


def _plan(site: Site, raw: RawEvent, pixels: tuple[str, ...] | None, decision: Decision) -> Plan:
    """Where an event goes; most are of a few names."""
    if pixels is None and decision.plain:
        return _plan_cached(site, raw.name, raw.call, decision)
    return plan(raw.name, raw.call, site.targets, pixels=pixels, granted=decision.allows)


@lru_cache(2048)
def _plan_cached(site: Site, name: str, call: str, decision: Decision) -> Plan:
    return plan(name, call, site.targets, pixels=None, granted=decision.allows)
