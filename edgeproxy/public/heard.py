"""Who a server speaks of, and what that visitor allows: `contact` without a browser or cookies."""

import msgspec

from edgeproxy.consent import decide
from edgeproxy.cookies import DAY_S, CookieSite
from edgeproxy.event import Sealed
from edgeproxy.identity import Remembered, recognise
from edgeproxy.intake.report import Report
from edgeproxy.public.ask import Ask
from edgeproxy.public.contact import Contact, visitor_name
from edgeproxy.public.state import State
from edgeproxy.registry import Site
from edgeproxy.routing import bound_to

_NO_COOKIES = CookieSite(secure=True)


class Heard(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One message, whom it is about and what may be done with it.

    `visitor` names the visitor in the store. `names` are all that later messages may use for the
    same visitor; none for a stranger, whose name nobody will use again.
    """

    report: Report
    contact: Contact
    visitor: bytes
    names: tuple[bytes, ...]

    def with_digest(self, sealed: Sealed | None, integration: str) -> Sealed | None:
        """What is sealed for an integration, with the caller's digest of the address if any."""
        digest = self.report.address_sha256
        if not digest or (sealed is not None and sealed.address_sha256):
            return sealed
        box = sealed or Sealed(bound_to=bound_to(integration, self.visitor, b""))
        return msgspec.structs.replace(box, address_sha256=digest)


def hear(report: Report, ask: Ask, site: Site, state: State) -> Heard:
    """Recognise the visitor of a message and weigh the consent that it reports.

    No id is minted for the wire: one that the browser does not have would match nobody.

    Args:
        report: What the caller says.
        ask: Its request, whose `Sec-GPC` counts: a browser may be the caller.
        site: Of the write key.
        state: For the clock and the key of visitors' names.
    """
    now_ms = state.now_ms()
    batch, source = report.batch, site.source
    visitor = recognise(
        Remembered(scid=report.scid),
        click_life_s=source.click_id_days * DAY_S,
        now_s=now_ms // 1000,
        new_scid=str,
        batch_click_id=batch.click_id,
        page_url=batch.page_url,
        referrer_url=batch.referrer,
        properties=[event.properties for event in batch.events if event.properties],
    )
    decision = decide(source.consent, gpc=ask.gpc, optout=False, batch=batch.consent, recorded=None)
    names = tuple(visitor_name(state, source.id, name) for name in report.names)
    return Heard(
        report=report,
        contact=Contact(visitor=visitor, decision=decision, cookie_site=_NO_COOKIES, now_ms=now_ms),
        visitor=names[0] if names else visitor_name(state, source.id, state.new_id()),
        names=names,
    )
