"""The one path of every event: identity, consent, routing, hashing, sealing, append, count.

Callers of all shapes come through `accept`; a second path would be a second set of rules.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from edgeproxy import pii
from edgeproxy.addresses import is_visitor
from edgeproxy.consent import Decision
from edgeproxy.event import Device, Event, Person, encode_person
from edgeproxy.intake.build import MAX_AGE_MS, Scene, build_event, skew_ms
from edgeproxy.intake.person import read_person
from edgeproxy.intake.raw import RawBatch, RawEvent, Rejected, Unacceptable
from edgeproxy.public.ask import Ask
from edgeproxy.public.contact import Contact, cookies_of, meet, visitor_name, withdraw
from edgeproxy.public.state import State
from edgeproxy.registry import Site
from edgeproxy.routing import Choice, Extras, Plan, bound_to, entry, extras_for, plan, wire_id
from edgeproxy.store.base import Binding, Entry, Fate, Item
from edgeproxy.trace import Stage, Step
from edgeproxy.urls import clean_page_url
from edgeproxy.useragent import Agent, read_agent

_NOBODY = Person()
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
    """Take a batch from a browser; durable when this returns.

    Raises:
        StoreBusy: Nothing of it was acknowledged; the caller repeats it.
    """
    contact = meet(
        ask,
        site,
        state,
        consent=batch.consent,
        click_id=batch.click_id,
        page_url=batch.page_url,
        referrer=batch.referrer,
        properties=[event.properties for event in batch.events if event.properties],
    )
    agent = read_agent(ask.user_agent)
    await withdraw(contact, site, state)
    intake = _Intake(batch, ask, site, state, contact, agent)
    if reason := _refusal(ask, agent, contact.decision, site):
        return intake.refuse(reason)
    return await intake.take()


def _refusal(ask: Ask, agent: Agent, decision: Decision, site: Site) -> str:
    """Why nothing of this request is stored; "" when its events may be."""
    if decision.reason == "gpc":
        return "gpc"
    if ask.speculative:
        return ask.speculative
    if agent.bot:
        return "bot"
    if decision.reason and not any(
        decision.allows(target.integration.consent_categories) for target in site.targets
    ):
        return decision.reason
    return ""


class _Intake:
    """The events of one allowed request on their way into the store."""

    def __init__(
        self, batch: RawBatch, ask: Ask, site: Site, state: State, contact: Contact, agent: Agent
    ) -> None:
        self._batch, self._ask, self._site, self._state = batch, ask, site, state
        self._contact = contact
        self._agent = agent
        self._now_ms = state.now_ms()
        self._rejected: list[Rejected] = list(batch.rejected)
        self._dropped: dict[str, int] = {}

    def refuse(self, reason: str) -> Accepted:
        """Count all events under one reason; robots and prefetchers get no cookie."""
        for raw in self._batch.events:
            self._drop(raw, reason)
        robot = reason in ("bot", "prefetch")
        return self._count([] if robot else cookies_of(self._contact, self._site, self._state))

    def _prepare(self) -> None:
        ask, contact, source = self._ask, self._contact, self._site.source
        self._address = ask.address if is_visitor(ask.address) else ""
        self._visitor = visitor_name(self._state, source.id, contact.visitor.scid)
        self._known = read_person(self._batch.user, source.default_country)
        self._scene = self._make_scene(self._agent)
        self._boxes: dict[str, bytes] = {}

    def _make_scene(self, agent: Agent) -> Scene:
        batch, state, now_ms = self._batch, self._state, self._now_ms
        visitor, advertising = self._contact.visitor, not self._contact.decision.reason
        return Scene(
            source=self._site.source.id,
            channel="WEB",
            now_ms=now_ms,
            skew_ms=0 if batch.sent_at is None else skew_ms(batch.sent_at, now_ms),
            page_url=clean_page_url(batch.page_url),
            scid=visitor.scid if advertising else "",
            click_id=visitor.click_id if advertising else "",
            own_clicks=advertising,
            known=self._known,
            device=Device(
                model=agent.model, os_version=agent.os_version, os=agent.os, browser=agent.browser
            ),
            address_hmac=_digest(state.trace_key, self._address),
            agent_hmac=_digest(state.trace_key, self._ask.user_agent),
        )

    async def take(self) -> Accepted:
        """Route, build and store; the answer counts what happened."""
        self._prepare()
        items: list[Item] = []
        bindings = self._bindings()
        taken: list[tuple[RawEvent, Event, tuple[Choice, ...]]] = []
        for raw in self._batch.events:
            if raw.name == "reset" and raw.call != "page":
                bindings.append(Binding(visitor=self._visitor, forget=True))
            routed = self._route(raw)
            built = self._build(raw, routed) if routed.choices else None
            items += [Item((), binding) for binding in bindings]
            bindings = []
            if built is not None:
                taken.append((raw, built, routed.choices))
                items.append(Item(self._entries(built, routed.choices)))
        fates = await self._append(items)
        return self._answer(taken, fates)

    def _bindings(self) -> list[Binding]:
        """What the batch says of its visitor, kept for all later events; only with consent."""
        if self._known.person == _NOBODY or self._contact.decision.reason:
            return []
        return [Binding(visitor=self._visitor, traits=encode_person(self._known.person))]

    def _route(self, raw: RawEvent) -> Plan:
        routed = plan(
            raw.name,
            raw.call,
            self._site.targets,
            pixels=self._batch.pixels,
            granted=self._contact.decision.allows,
        )
        if routed.reason:
            self._drop(raw, routed.reason)
        return routed

    def _drop(self, raw: RawEvent, reason: str) -> None:
        self._dropped[reason] = self._dropped.get(reason, 0) + 1
        self._tell("dropped", raw.id, raw.name, reason=reason)

    def _build(self, raw: RawEvent, routed: Plan) -> Event | None:
        sign_up = any(choice.name == "SIGN_UP" for choice in routed.choices)
        try:
            return build_event(raw, self._scene, sign_up=sign_up, new_id=self._state.new_id)
        except Unacceptable as no:
            self._rejected.append(Rejected(raw.index, no.code, no.reason))
            self._tell("rejected", raw.id, raw.name, code=no.code, reason=no.reason)
            return None

    def _entries(self, event: Event, choices: Sequence[Choice]) -> tuple[Entry, ...]:
        expires_ms = event.time_ms + MAX_AGE_MS[event.channel]
        return tuple(
            entry(
                event,
                choice,
                visitor=self._visitor,
                expires_ms=expires_ms,
                sealed=self._box(choice),
            )
            for choice in choices
        )

    def _box(self, choice: Choice) -> bytes:
        """The sealed extras for one integration, made once a request."""
        integration = choice.target.integration
        box = self._boxes.get(integration.id)
        if box is None:
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
                sha256=_sha256,
            )
            box = b"" if sealed is None else self._state.seal(_SEAL.encode(sealed))
            self._boxes[integration.id] = box
        return box

    async def _append(self, items: Sequence[Item]) -> Sequence[Sequence[Fate]]:
        if not items:
            return ()
        return await self._state.store.append(items)

    def _answer(
        self,
        taken: Sequence[tuple[RawEvent, Event, tuple[Choice, ...]]],
        fates: Sequence[Sequence[Fate]],
    ) -> Accepted:
        of_events = [fate for fate in fates if fate]
        accepted = sum(Fate.ACCEPTED in fate for fate in of_events)
        for integration in {
            choice.target.integration.id for _, _, choices in taken for choice in choices
        }:
            self._state.wake(integration)
        if self._state.watch is not None:
            self._tell_taken(taken, of_events)
        cookies = cookies_of(self._contact, self._site, self._state)
        return self._count(cookies, accepted=accepted, duplicates=len(of_events) - accepted)

    def _count(
        self, cookies: Sequence[bytes], *, accepted: int = 0, duplicates: int = 0
    ) -> Accepted:
        tally = self._state.tally
        tally["accepted"] += accepted
        tally["duplicates"] += duplicates
        tally["rejected"] += len(self._rejected)
        for reason, count in self._dropped.items():
            tally[f"dropped.{reason}"] += count
        answer = Answer(
            accepted=accepted,
            duplicates=duplicates,
            dropped=self._dropped,
            rejected=tuple(sorted(self._rejected, key=_index)),
        )
        return Accepted(answer=answer, cookies=cookies)

    def _tell(self, stage: Stage, event_id: str, name: str, **data: object) -> None:
        if self._state.watch is not None:
            self._state.watch(
                Step(
                    at_ms=self._now_ms,
                    stage=stage,
                    event_id=event_id,
                    name=name,
                    source=self._site.source.id,
                    data=data,
                )
            )

    def _tell_taken(
        self,
        taken: Sequence[tuple[RawEvent, Event, tuple[Choice, ...]]],
        fates: Sequence[Sequence[Fate]],
    ) -> None:
        """Trace what came in, as it is after hashing, and under which rules it was queued."""
        for (raw, event, choices), fate in zip(taken, fates, strict=True):
            self._tell("received", event.id, raw.name, event=msgspec.to_builtins(event))
            for choice, one in zip(choices, fate, strict=True):
                self._tell(
                    "queued" if one is Fate.ACCEPTED else "duplicate",
                    wire_id(event.id, choice),
                    choice.name,
                    received_id=event.id,
                    rule=choice.rule,
                    integration=choice.target.integration.id,
                )


def _index(rejected: Rejected) -> int:
    return rejected.index


_sha256 = lru_cache(8192)(pii.sha256_hex)


@lru_cache(8192)
def _digest(key: bytes, text: str) -> str:
    """A short name for an address or user agent that cannot be reversed by trying all of them."""
    if not text:
        return ""
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, key=key, digest_size=12).hexdigest()
