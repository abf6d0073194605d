"""One test event to Snap's validate endpoint, and what the answer means in plain words."""

from decimal import Decimal

import msgspec

from edgeproxy.errors import CannotMap
from edgeproxy.event import Event, Goods, Person, Sealed
from edgeproxy.outcome import Verdict
from edgeproxy.pii import email_sha256, sha256_hex
from edgeproxy.sites import Integration
from edgeproxy.snap import DIALECTS
from edgeproxy.snap.answers import cause, read
from edgeproxy.snap.transport import Transport
from edgeproxy.wire import WireResponse

AGENT = "Mozilla/5.0 (compatible; edgeproxy connection test)"
ADDRESS = "192.0.2.1"
"""Of the range that is reserved for documentation: nobody's."""


class TestResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection test went. `status` is None when there was no HTTP answer."""

    __test__ = False

    integration: str
    ok: bool
    status: int | None
    latency_ms: int
    message: str


async def send(
    integration: Integration, transport: Transport, *, name: str, event_id: str, now_ms: int
) -> TestResult:
    """Send one event that counts nowhere, and read the verdict."""
    dialect = DIALECTS[integration.api]
    try:
        wire = dialect.encode(_event(integration, name, event_id, now_ms), integration, _opened())
    except CannotMap as cannot:
        return TestResult(
            integration=integration.id, ok=False, status=None, latency_ms=0, message=cannot.detail
        )
    response = await transport.send(dialect.request([wire], integration, "validate"), integration)
    verdict = read(response, sent=1, now_ms=now_ms)
    return TestResult(
        integration=integration.id,
        ok=verdict.kind == "delivered",
        status=response.status,
        latency_ms=round(response.latency_ms),
        message=in_plain_words(response, verdict),
    )


def in_plain_words(response: WireResponse, verdict: Verdict) -> str:
    """What the operator should know or do."""
    if verdict.kind == "delivered":
        return "Snap accepted the test event"
    if response.status is None:
        return FAULTS.get(response.fault, "no answer from Snap")
    advice = STATUSES.get(response.status) or KINDS.get(verdict.kind, "")
    words = verdict.message.removeprefix(cause(response.status)).removeprefix("; ")
    said = f'; Snap says: "{words}"' if words else ""
    return f"{advice or f'Snap answered {response.status}'}{said}"


FAULTS = {
    "timeout": "no answer within the time limit; is the way out to Snap open in the firewall?",
    "refused": "nobody listens at the upstream's address; check EDGEPROXY_UPSTREAM",
    "tls": "the certificate does not verify; a proxy may intercept TLS, or the clock is wrong",
    "dns": "the upstream's name cannot be resolved; check this machine's DNS",
    "reset": "the connection broke before an answer",
    "protocol": "the answer was no HTTP",
    "too_long": "the answer was far too long to be Snap's",
}
"""What went wrong without an HTTP answer → what to look at."""

STATUSES = {
    400: "Snap refused the event as malformed; check pixel_id",
    401: "the access token is wrong or was revoked; make a new one in Snap's Business Details",
    403: "the access token has no right on this pixel; give it access in Snap's Business Manager",
    404: "Snap knows no such pixel or app; check pixel_id or snap_app_id",
    429: "Snap limits the rate now; try again in a minute",
}
"""HTTP status → what to do."""

KINDS = {
    "paused_auth": "Snap does not accept this token for this pixel",
    "rejected": "Snap refused the event",
    "transient": "Snap has a fault on its side; try again",
    "ambiguous": "the answer is not Snap's; something in between may have answered",
}


def _event(integration: Integration, name: str, event_id: str, now_ms: int) -> Event:
    return Event(
        id=event_id,
        name=name,
        time_ms=now_ms,
        source=integration.source,
        privacy=integration.privacy,
        label="edgeproxy connection test",
        page_url="https://example.com/",
        test=True,
        who=Person(email_sha256=email_sha256("test@example.com")),
        goods=Goods(price=Decimal(1), currency="USD", order_id="edgeproxy-test")
        if name == "PURCHASE"
        else Goods(),
    )


def _opened() -> Sealed:
    return Sealed(
        bound_to="",
        user_agent=AGENT,
        user_agent_sha256=sha256_hex(AGENT),
        address=ADDRESS,
        address_sha256=sha256_hex(ADDRESS),
    )
