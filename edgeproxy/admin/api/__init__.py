"""The JSON API: each module has its rows, and stands in the tuple here."""

from edgeproxy.admin.api import (
    access,
    alerts,
    changes,
    connection,
    dead,
    events,
    health,
    integrations,
    quality,
    sources,
    visitors,
)
from edgeproxy.web.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *access.ENDPOINTS,
    *changes.ENDPOINTS,
    *sources.ENDPOINTS,
    *integrations.ENDPOINTS,
    *connection.ENDPOINTS,
    *health.ENDPOINTS,
    *events.ENDPOINTS,
    *quality.ENDPOINTS,
    *alerts.ENDPOINTS,
    *dead.ENDPOINTS,
    *visitors.ENDPOINTS,
)
