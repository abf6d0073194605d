"""The admin listener's application with every row there is: API, pages, forms."""

from collections.abc import Sequence

from edgeproxy.admin.api import ENDPOINTS
from edgeproxy.admin.app import admin_app
from edgeproxy.admin.openapi import openapi_endpoint
from edgeproxy.admin.state import AdminState
from edgeproxy.admin.views import ACTIONS, PAGES
from edgeproxy.web.asgi import App
from edgeproxy.web.endpoint import Endpoint


def whole_app(state: AdminState, described: Sequence[Endpoint]) -> App:
    """The application with every row there is.

    Args:
        state: What it works with.
        described: Rows of the public listener, for the description of the API.
    """
    description = openapi_endpoint([*described, *ENDPOINTS])
    return admin_app(state, [*ENDPOINTS, description], PAGES, ACTIONS)
