"""The pages and forms: each module has its rows, and stands in the tuples here."""

from edgeproxy.admin.pages import Action, Page
from edgeproxy.admin.views import (
    access,
    alerts,
    audit,
    dead,
    events,
    integration_events,
    integrations,
    login,
    overview,
    privacy,
    quality,
    sources,
)

PAGES: tuple[Page, ...] = (
    *login.PAGES,
    *access.PAGES,
    *audit.PAGES,
    *overview.PAGES,
    *events.PAGES,
    *quality.PAGES,
    *alerts.PAGES,
    *dead.PAGES,
    *privacy.PAGES,
    *integrations.PAGES,
    *integration_events.PAGES,
    *sources.PAGES,
)
ACTIONS: tuple[Action, ...] = (
    *login.ACTIONS,
    *access.ACTIONS,
    *events.ACTIONS,
    *alerts.ACTIONS,
    *dead.ACTIONS,
    *privacy.ACTIONS,
    *integrations.ACTIONS,
    *integration_events.ACTIONS,
    *sources.ACTIONS,
)
