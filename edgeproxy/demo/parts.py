"""The running parts of the demo, as shop, live page and visitors see them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgeproxy.demo.journey import Journey
from edgeproxy.demo.visitor import AGENT, Visitor
from edgeproxy.outbound import Outbound
from edgeproxy.sandbox.state import Sandbox


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The running parts.

    Attributes:
        life: Names this run, so that a page of an earlier one knows that it is old.
        url: Where the shop listens.
        origin: How the shop's pages name themselves: "http://localhost:8080".
        edge_url: Where the proxy listens, without its prefix.
        sandbox_url: Where our Snap listens.
        sandbox: Our Snap.
        journey: What became of every event.
        outbound: The HTTP client of the shop and of visitors without a browser.
        now_ms: The clock, Unix ms.
        new_id: Mints ids.
    """

    life: str
    url: str
    origin: str
    edge_url: str
    sandbox_url: str
    sandbox: Sandbox
    journey: Journey
    outbound: Outbound
    now_ms: Callable[[], int]
    new_id: Callable[[], str]

    def visitor(self, *, agent: str = AGENT, extra: Mapping[str, str] | None = None) -> Visitor:
        """A new visitor without a browser, with an empty cookie jar."""
        return Visitor(
            self.outbound,
            self.url,
            self.origin,
            now_ms=self.now_ms,
            new_id=self.new_id,
            agent=agent,
            extra=extra,
        )
