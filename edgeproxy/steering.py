"""Puts together what people steer with: the admin listener's desk, its token, the alerts."""

from collections.abc import Callable
from functools import partial

from edgeproxy import trial
from edgeproxy.admin.auth import STRONG_CHARS
from edgeproxy.admin.flash import Flashes
from edgeproxy.admin.state import AdminState
from edgeproxy.admin.throttle import Throttle
from edgeproxy.alerts.watch import Lookout
from edgeproxy.alerts.webhook import Webhook
from edgeproxy.journal.base import Journal
from edgeproxy.journal.recorder import Recorder
from edgeproxy.keys import Keys, fingerprint, kept_token, new_id, new_token, token_digest
from edgeproxy.live import Live
from edgeproxy.noted import noted
from edgeproxy.outbound import Outbound
from edgeproxy.public.state import State
from edgeproxy.seal import Sealer
from edgeproxy.settings import Settings
from edgeproxy.sites import Integration
from edgeproxy.snap.transport import SnapTransport


def admin_desk(
    settings: Settings,
    state: State,
    keys: Keys,
    *,
    live: Live,
    transport: SnapTransport,
    journal: Journal,
    recorder: Recorder,
    webhook: Webhook | None,
    clock_s: Callable[[], float],
) -> AdminState:
    """What the admin listener works with; its token is made when there is none.

    `clock_s` is a clock that is never set.
    """

    async def probe(integration: Integration) -> trial.TestResult:
        return await trial.send(
            integration, transport, name="PAGE_VIEW", event_id=new_id(), now_ms=state.now_ms()
        )

    token = admin_token(settings, state.log)
    return AdminState(
        settings=settings,
        store=state.store,
        office=state.store.office,
        registry=state.registry,
        live=live,
        journal=journal,
        catch_up=recorder.flush,
        meter=state.meter,
        sealer=Sealer(keys.sealing),
        keys=keys,
        token_digest=token_digest(token) if token else "",
        token_strong=len(token) >= STRONG_CHARS,
        proxies=state.proxies,
        throttle=Throttle(clock_s),
        flashes=Flashes(),
        now_ms=state.now_ms,
        new_id=new_id,
        new_secret=new_token,
        probe=probe,
        snap_logs=partial(noted, looker=transport),
        wake=state.wake,
        log=state.log,
        stopping=state.stopping,
        webhook=webhook,
    )


def admin_token(settings: Settings, log: Callable[..., None]) -> str:
    """The token of the settings, or of the file that the first start makes; "" without any."""
    if settings.admin_token:
        return settings.admin_token.reveal()
    path = settings.keys_dir / "admin.token"
    try:
        token, made = kept_token(path)
    except OSError as error:
        advice = "set EDGEPROXY_ADMIN_TOKEN_FILE; tokens of the store open it all the same"
        log("warning", "admin_without_token", file=str(path), error=error.strerror, advice=advice)
        return ""
    if made:
        log("info", "admin_token_made", file=str(path))
    return token


def lookout(desk: AdminState) -> Lookout:
    """What watches over the integrations and tells of alerts."""
    return Lookout(
        store=desk.store,
        office=desk.office,
        journal=desk.journal,
        sources=lambda: tuple(desk.registry.sources.values()),
        limits=desk.settings.alerts,
        webhook=desk.webhook,
        fingerprint=lambda one: fingerprint(one.access_token.reveal(), desk.keys.trace),
        now_ms=desk.now_ms,
        log=desk.log,
    )


def alert_webhook(settings: Settings, outbound: Outbound) -> Webhook | None:
    """Where alerts are told; None for nowhere."""
    return None if settings.alert_webhook is None else Webhook(settings.alert_webhook, outbound)
