"""One integration and how it goes: its gate, what waits, the last connection test."""

from collections.abc import Mapping
from typing import cast

import msgspec

from edgeproxy.admin.api import connection, integrations
from edgeproxy.admin.api.connection import LastTest
from edgeproxy.admin.api.integration_views import KnownIntegration
from edgeproxy.admin.state import AdminState
from edgeproxy.admin.views.parts import defined_in, place
from edgeproxy.health.problems import CURES, GATES
from edgeproxy.site_rules import looks_like_pixel_id
from edgeproxy.store.base import Counts
from edgeproxy.web.endpoint import Call, Reply

HEADLINES: Mapping[int | None, str] = {
    None: "There was no answer from Snap",
    400: "Snap refused the test event",
    401: "Snap does not accept the token",
    403: "The token has no right on this pixel",
    404: "Snap does not know this pixel",
    429: "Snap asks to wait",
}
"""Status of a connection test that failed → what a person reads first."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One integration and how it goes.

    Attributes:
        known: Its twin's answer.
        href: Its page.
        source_href: The page of its source.
        counts: What waits and what died.
        test: The last connection test.
        stale: Whether that was with another token, pixel or version.
        gate: What its gate means, after "it".
        cure: What a person can do when the gate is closed.
        odd_pixel: Whether the pixel id is not in the form that Snap gives.
        defined_in: Where the configuration defines it, "" when it was made here.
    """

    known: KnownIntegration
    href: str
    source_href: str
    counts: Counts
    test: LastTest | None
    stale: bool
    gate: str
    cure: str
    odd_pixel: bool
    defined_in: str

    @property
    def waiting(self) -> int:
        """Events that are not delivered yet."""
        return self.counts.pending

    @property
    def ready(self) -> bool:
        """Whether the connection test passed with what it has now."""
        return self.test is not None and self.test.tested.ok and not self.stale

    @property
    def headline(self) -> str:
        """How the last connection test went, in a few words."""
        if self.test is None:
            return "Not tested yet"
        if self.test.tested.ok:
            return "Snap accepts what we send"
        return HEADLINES.get(self.test.tested.status, f"Snap answered {self.test.tested.status}")


async def known_of(call: Call) -> KnownIntegration:
    """The integration that the path names."""
    return body_of(await integrations.get_integration(call))


def body_of(reply: Reply) -> KnownIntegration:
    """What an answer of the API tells."""
    return cast(KnownIntegration, reply.body)


async def row_of(call: Call) -> Row:
    """The integration that the path names, and how it goes."""
    state: AdminState = call.state
    known = await known_of(call)
    counts = {one.integration: one for one in await state.store.stats()}
    test = await connection.last_test(state, known.id)
    return row(state, known, counts.get(known.id), test)


def row(
    state: AdminState, known: KnownIntegration, counts: Counts | None, test: LastTest | None
) -> Row:
    """One integration and how it goes."""
    one = state.registry.integrations.get(known.id)
    pixel = known.config.pixel_id
    return Row(
        known=known,
        href=place("integrations", known.id),
        source_href=place("sources", known.source_id),
        counts=counts or Counts(integration=known.id),
        test=test,
        stale=test is not None
        and (one is None or test.made_with != connection.made_with(state, one)),
        gate=GATES[known.gate.state],
        cure=CURES[known.gate.state],
        odd_pixel=bool(pixel) and not looks_like_pixel_id(pixel),
        defined_in=defined_in(state.settings, known.source_id)
        if known.managed_by == "file"
        else "",
    )
