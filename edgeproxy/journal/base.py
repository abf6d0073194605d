"""The `Journal` protocol and its values: traces for the debugger, counts for the dashboard.

A store apart from the events' own. Nothing in it is part of a promise: what it cannot take is
dropped and counted, and no fault of it ever reaches an event. It holds digests and family names
only, like the steps that it is made of.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from edgeproxy.meter import Label
from edgeproxy.trace import Step

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000

SCANNED = 1000
"""In the steps of so many of the newest traces a text is looked for."""


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one integration; an event that goes nowhere has one trace.

    Attributes:
        number: Names it and orders by arrival; `before` of the next page is the last one's.
        changed: When it was last written to, as a counter; `after` of the next look is the
            greatest one seen.
        event_id: As received; one that came without an id has one of ours.
        wire_id: As sent: the same, or `<event_id>-<n>` where one name maps to several.
        source: Where it came in.
        integration: Where it goes; "" when nowhere.
        name: Snap's name for it; the caller's when it goes nowhere.
        said: The caller's name for it; "" when only delivery was watched.
        rule: What mapped it: "own table", "catalog" …
        visitor: Names the visitor as the store does, in hex; "" when not known.
        at_ms: When it came in, Unix ms.
        outcome: "waiting", "retry", "delivered", "duplicate", "dead:<reason>",
            "dropped:<reason>" or "rejected:<code>".
        test: Whether it went to the endpoint where nothing counts.
        steps: In order of time; only `Journal.trace` fills it.
    """

    number: int
    changed: int
    event_id: str
    wire_id: str
    source: str = ""
    integration: str = ""
    name: str = ""
    said: str = ""
    rule: str = ""
    visitor: str = ""
    at_ms: int = 0
    outcome: str = "waiting"
    test: bool = False
    steps: tuple[Step, ...] = ()


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which traces; "" and None let all pass.

    Attributes:
        source: Of this source.
        integration: To this integration.
        name: With this name, the caller's or Snap's, in any letter case.
        outcome: With this outcome; "dead", "dropped" and "rejected" stand for all of their kind.
        visitor: Of this visitor, in hex.
        text: With this in a name, an outcome, a rule, or at the beginning of the id: of all
            traces; where thousands of ids begin so, of the newest tens of thousands. With this
            in a step: of the newest `SCANNED`. In any (ASCII) letter case.
        since_ms: Received then or later, Unix ms.
        until_ms: Received before, Unix ms.
    """

    source: str = ""
    integration: str = ""
    name: str = ""
    outcome: str = ""
    visitor: str = ""
    text: str = ""
    since_ms: int | None = None
    until_ms: int | None = None


class Bucket(msgspec.Struct, frozen=True, gc=False):
    """How often a label was counted in the step of time that begins at `at_ms` (Unix ms)."""

    at_ms: int
    label: Label
    n: int


class Journal(Protocol):
    """What every engine does.

    `write` never raises; reading raises `StoreBusy` when the engine cannot answer now.
    """

    async def write(self, steps: Sequence[Step], counts: Mapping[Label, int], at_ms: int) -> bool:
        """Take steps in order, and counts made until now; False when nothing was taken."""
        ...

    async def traces(
        self,
        filter: Filter,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 50,
    ) -> Sequence[Trace]:
        """Traces without their steps, newest first.

        Args:
            filter: Which.
            before: Only those with a smaller number: the next page.
            after: Only those changed since, the latest change first: for a live view, which
                skips what is beyond `limit`.
            limit: At most so many.
        """
        ...

    async def trace(self, event_id: str) -> Trace | None:
        """The whole way of one event, by the id it was received or sent with.

        With several integrations or Snap names it has the steps of all, and the outcome that
        most wants a person's eye.
        """
        ...

    async def counts(
        self, kinds: Sequence[str], *, since_ms: int, until_ms: int, step_ms: int
    ) -> Sequence[Bucket]:
        """Counts by steps of time, which begin at multiples of `step_ms`; empty ones are left out.

        Minutes are kept for 26 hours, quarters of an hour for 8 days, hours for 35 days: of the
        coarser the first and the last step may reach beyond the bounds.
        """
        ...

    async def totals(self) -> Mapping[Label, int]:
        """Counts since ever, of all processes and nodes."""
        ...

    async def forget(self, visitor: bytes) -> int:
        """Erase a visitor's traces, and let none begin for a while; how many there were.

        Raises:
            StoreBusy: It could not; try again.
        """
        ...

    async def sweep(self, now_ms: int) -> None:
        """Let go of what is too old or too much; never raises."""
        ...

    async def close(self) -> None:
        """Let go of everything. Idempotent."""
        ...
