"""What the admin listener works with, put together once by the runtime."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from edgeproxy.addresses import TrustedProxies
from edgeproxy.admin.flash import Flashes
from edgeproxy.admin.jobs import Jobs
from edgeproxy.admin.seats import Seats
from edgeproxy.admin.throttle import Throttle
from edgeproxy.alerts.webhook import Webhook
from edgeproxy.keys import Keys
from edgeproxy.live import Live
from edgeproxy.meter import Meter
from edgeproxy.registry import Registry
from edgeproxy.seal import Sealer
from edgeproxy.settings import Settings
from edgeproxy.sites import Integration
from edgeproxy.store.base import Store
from edgeproxy.store.office import Office
from edgeproxy.trial import TestResult


@dataclass(frozen=True, kw_only=True)
class AdminState:
    """The parts and the outside world of the admin listener.

    Attributes:
        settings: In effect, for showing; secrets in it are masked.
        store: Where events are.
        office: Where what people make is.
        registry: Current sources and integrations.
        live: Keeps the registry in step with what people make.
        journal: Traces and counts, or None when switched off.
        catch_up: Hands the journal what this process has gathered for it and not written yet.
        meter: This process's counts.
        sealer: Of stored access tokens.
        keys: For fingerprints and names of visitors.
        token_digest: SHA-256 hex of the token of the configuration or of the file made at first
            start; "" for none.
        token_strong: Whether that token cannot be guessed.
        proxies: Whose forwarded headers count.
        throttle: Slows those down who guess tokens.
        flashes: What to tell a person on the next page.
        now_ms: The wall clock, Unix ms.
        new_id: Mints ids, UUID version 4.
        new_secret: Draws a token of 32 random bytes.
        probe: Sends a test event for an integration.
        snap_logs: Asks Snap what it noted about an integration's events, or None.
        webhook: Where alerts are told, or None.
        jobs: Long work that goes on.
        wake: Tells delivery that an integration has something to do.
        log: Writes one structured line: an event name and fields.
        stopping: Whether the process is about to end.
        seats: Who follows events as they happen.
    """

    settings: Settings
    store: Store
    office: Office
    registry: Registry
    live: Live
    journal: Any
    catch_up: Callable[[], Awaitable[None]]
    meter: Meter
    sealer: Sealer
    keys: Keys
    token_digest: str
    token_strong: bool
    proxies: TrustedProxies
    throttle: Throttle
    flashes: Flashes
    now_ms: Callable[[], int]
    new_id: Callable[[], str]
    new_secret: Callable[[], str]
    probe: Callable[[Integration], Awaitable[TestResult]]
    snap_logs: Callable[[Integration], Awaitable[Any]] | None
    wake: Callable[[str], None]
    log: Callable[..., None]
    stopping: Callable[[], bool]
    webhook: Webhook | None = None
    jobs: Jobs = field(default_factory=Jobs)
    seats: Seats = field(default_factory=Seats)
