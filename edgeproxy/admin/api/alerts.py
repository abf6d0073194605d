"""Alerts: what is raised, what was told, and a test of the way to people."""

import msgspec

from edgeproxy.admin.state import AdminState
from edgeproxy.alerts.book import Notice, Standing
from edgeproxy.alerts.rules import RULES, Rule
from edgeproxy.alerts.watch import standing
from edgeproxy.alerts.webhook import TEST, Told
from edgeproxy.errors import Refused
from edgeproxy.settings import Thresholds
from edgeproxy.web.endpoint import Call, Endpoint


class Alerts(msgspec.Struct, frozen=True, kw_only=True):
    """How alerts stand.

    Attributes:
        now_ms: When this was read.
        checked_ms: When somebody last looked; 0 for never.
        webhook: Who is told, without what makes its URL secret; "" for nobody.
        unsent: How many notices wait for the webhook.
        rules: What can be told.
        limits: When; 0 switches a rule off.
        standings: Every rule about every integration or source, raised ones first.
        past: What was told, newest first.
    """

    now_ms: int
    checked_ms: int
    webhook: str
    unsent: int
    rules: tuple[Rule, ...]
    limits: Thresholds
    standings: tuple[Standing, ...]
    past: tuple[Notice, ...]


async def show_alerts(call: Call) -> Alerts:
    """How alerts stand now."""
    state: AdminState = call.state
    book, _ = await standing(state.office)
    return Alerts(
        now_ms=state.now_ms(),
        checked_ms=book.checked_ms,
        webhook=state.webhook.shown if state.webhook is not None else "",
        unsent=len(book.unsent),
        rules=RULES,
        limits=state.settings.alerts,
        standings=tuple(sorted(book.standings, key=lambda one: not one.raised)),
        past=book.past,
    )


async def try_webhook(call: Call) -> Told:
    """Send a test message."""
    state: AdminState = call.state
    if state.webhook is None:
        raise Refused(
            "no_webhook",
            "there is no webhook; set alerts.webhook_url_file and restart",
            status=409,
        )
    told = await state.webhook.tell(TEST)
    state.log("info", "alert_tested", ok=told.ok, status=told.status)
    return told


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/admin/alerts",
        handle=show_alerts,
        summary="Say which alerts are raised, and what was told",
        role="viewer",
        answer=Alerts,
        tag="health",
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/alerts/test",
        handle=try_webhook,
        summary="Send a test message to the webhook",
        answer=Told,
        refusals=(409,),
        tag="health",
    ),
)
