"""The running parts of the demo, as shop, dock, backstage and visitors see them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgeproxy.demo.journey import Journey
from edgeproxy.demo.tokens import Tokens
from edgeproxy.demo.visitor import AGENT, Visitor
from edgeproxy.outbound import Outbound
from edgeproxy.sandbox.state import Sandbox

SOURCE = "shop"
"""The shop as the proxy knows it."""

INTEGRATION = "demo-pixel"
"""Its one pixel at our Snap."""

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The running parts.

    Attributes:
        life: Names this run, so that a page of an earlier one knows that it is old.
        url: Where the shop listens.
        origin: How the shop's pages name themselves: "http://localhost:8080".
        edge_url: Where the proxy listens, without its prefix.
        admin_url: Where its dashboard listens: "http://127.0.0.1:8084".
        admin_token: Opens the dashboard.
        sandbox_url: Where our Snap listens.
        sandbox: Our Snap.
        tokens: The pixel's tokens at our Snap.
        journey: What became of every event.
        outbound: The HTTP client of the shop and of visitors without a browser.
        now_ms: The clock, Unix ms.
        new_id: Mints ids.
        name_of: How the dashboard names the visitor with this `_scid`, in hex.
    """

    life: str
    url: str
    origin: str
    edge_url: str
    admin_url: str
    admin_token: str
    sandbox_url: str
    sandbox: Sandbox
    tokens: Tokens
    journey: Journey
    outbound: Outbound
    now_ms: Callable[[], int]
    new_id: Callable[[], str]
    name_of: Callable[[str], str]

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
