"""The page of alerts, and its test button."""

import msgspec

from edgeproxy.admin.api.alerts import Alerts, show_alerts, try_webhook
from edgeproxy.admin.figures import duration, number
from edgeproxy.admin.pages import Action, Go, Page
from edgeproxy.admin.views.login import Empty
from edgeproxy.alerts.book import Standing
from edgeproxy.alerts.rules import RULES, Rule
from edgeproxy.errors import Refused
from edgeproxy.web.endpoint import Call

THRESHOLDS = {
    "backlog": ("backlog_minutes", "{} min"),
    "success": ("success_percent", "below {} %"),
    "dead": ("dead_per_hour", "{} an hour"),
    "conversions": ("zero_expected", "{} usual"),
    "consent": ("consent_drop_percent", "−{} %"),
    "token": ("token_days", "{} days"),
}
"""Rule → the setting of its threshold, and the words around the number; others are always on."""


class RuleRow(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, as it is shown. `on` is false when its threshold, the `setting`, is 0."""

    rule: Rule
    on: bool
    setting: str
    threshold: str
    patience: str
    standings: tuple[Standing, ...]
    raised: bool


class AlertsView(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows. `titles` has the title of each rule by its name."""

    alerts: Alerts
    raised: tuple[Standing, ...]
    rows: tuple[RuleRow, ...]
    titles: dict[str, str]


async def show(call: Call) -> AlertsView:
    """What the page shows."""
    alerts = await show_alerts(call)
    return AlertsView(
        alerts=alerts,
        raised=tuple(one for one in alerts.standings if one.raised),
        rows=tuple(_row(rule, alerts) for rule in RULES),
        titles={rule.name: rule.title for rule in RULES},
    )


def _row(rule: Rule, alerts: Alerts) -> RuleRow:
    mine = tuple(one for one in alerts.standings if one.rule == rule.name)
    setting, words = THRESHOLDS.get(rule.name, ("", "always on"))
    limit = getattr(alerts.limits, setting) if setting else None
    return RuleRow(
        rule=rule,
        on=limit != 0,
        setting=setting,
        threshold=words.format(number(limit)),
        patience=_patience(rule),
        standings=mine,
        raised=any(one.raised for one in mine),
    )


def _patience(rule: Rule) -> str:
    """How long it must be broken, and how long it must be well."""
    times = (rule.raise_after_s, rule.clear_after_s)
    return " / ".join(duration(seconds * 1000) if seconds else "at once" for seconds in times)


async def test(call: Call) -> Go:
    """Send a test message, and say how it went."""
    told = await try_webhook(call)
    if not told.ok:
        raise Refused("not_told", f"the test message did not arrive: {told.message}", status=502)
    return Go(
        to="/alerts",
        say=f"The webhook took the test message after {told.latency_ms} ms; is it in the channel?",
    )


PAGES = (
    Page(
        path="/alerts",
        title="Alerts",
        template="alerts.html",
        load=show,
        menu="Alerts",
        twin="/v1/admin/alerts",
    ),
)
ACTIONS = (Action(path="/alerts/test", form=Empty, handle=test, back="/alerts"),)
