"""Who asks, what they allow, and which cookies the answer carries: the same for every shape."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from edgeproxy import keys
from edgeproxy.consent import Decision, decide
from edgeproxy.cookie_site import cookie_site
from edgeproxy.cookies import DAY_S, CookieSite, parse
from edgeproxy.identity import (
    Remembered,
    Visitor,
    cookies_for,
    expire_lines,
    optout_line,
    recognise,
    remember,
)
from edgeproxy.master import MasterSigner
from edgeproxy.public.ask import Ask
from edgeproxy.public.state import State
from edgeproxy.registry import Site


class Contact(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One request of one visitor: who it is, what is allowed, where cookies go."""

    visitor: Visitor
    decision: Decision
    cookie_site: CookieSite
    now_ms: int

    @property
    def now_s(self) -> int:
        """The same moment in Unix seconds."""
        return self.now_ms // 1000


def meet(
    ask: Ask,
    site: Site,
    state: State,
    *,
    consent: object,
    click_id: object = None,
    page_url: str = "",
    referrer: str = "",
    properties: Sequence[Mapping[str, object]] = (),
) -> Contact:
    """Recognise the visitor and weigh the consent of one request."""
    now_ms = state.now_ms()
    now_s = now_ms // 1000
    place = _place(ask.host, ask.secure or site.https, site)
    visitor = recognise(
        _remember(ask.cookies, site.source.id, place, state.signer, now_s),
        click_life_s=site.source.click_id_days * DAY_S,
        now_s=now_s,
        new_scid=state.new_id,
        batch_click_id=click_id,
        page_url=page_url,
        referrer_url=referrer,
        properties=properties,
    )
    decision = decide(
        site.source.consent,
        gpc=ask.gpc,
        optout=visitor.optout,
        batch=consent,
        recorded=visitor.consent,
    )
    return Contact(visitor=visitor, decision=decision, cookie_site=place, now_ms=now_ms)


@lru_cache(1024)
def _place(host: str, secure: bool, site: Site) -> CookieSite:
    return cookie_site(host, scheme="https" if secure else "http", source=site.source)


_CACHED_BYTES = 2048
"""Longer cookie headers are read each time, so that a hostile caller cannot fill the cache."""


def _remember(
    lines: tuple[bytes, ...], source: str, place: CookieSite, signer: MasterSigner, now_s: int
) -> Remembered:
    """What the cookies say; a visitor brings the same ones several times in a row.

    A master that ends today counts until the day is over.
    """
    if len(lines) == 1 and len(lines[0]) <= _CACHED_BYTES:
        return _remembered_today(lines, source, place, signer, now_s // DAY_S)
    return remember(parse(lines), source=source, site=place, signer=signer, now_s=now_s)


@lru_cache(2048)
def _remembered_today(
    lines: tuple[bytes, ...], source: str, place: CookieSite, signer: MasterSigner, day: int
) -> Remembered:
    return remember(parse(lines), source=source, site=place, signer=signer, now_s=day * DAY_S)


def cookies_of(contact: Contact, site: Site, state: State) -> list[bytes]:
    """The cookies of an answer: kept and refreshed with consent, expired after a refusal."""
    decision, place = contact.decision, contact.cookie_site
    if decision.withdraw:
        return [*expire_lines(place), optout_line(place)]
    if decision.reason == "gpc":
        return expire_lines(place)
    if decision.reason:
        return []
    return cookies_for(
        contact.visitor,
        site=place,
        source=site.source,
        signer=state.signer,
        now_s=contact.now_s,
        consent=decision.record,
    )


async def withdraw(contact: Contact, site: Site, state: State) -> None:
    """Cancel what is queued of a visitor who now refuses."""
    if contact.decision.withdraw and not contact.visitor.minted:
        name = visitor_name(state, site.source.id, contact.visitor.scid)
        await state.store.recall(name)
        state.forgot(name)


def visitor_name(state: State, source: str, scid: str) -> bytes:
    """16 bytes that name a visitor of a source in the store, under a key that never changes."""
    return _visitor_name(state.visitor_key, source, scid)


_visitor_name = lru_cache(4096)(keys.visitor_name)
