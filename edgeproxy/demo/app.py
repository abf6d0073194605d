"""The shop's whole site: pages, dock, backstage, files, the way into the dashboard, the proxy."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from edgeproxy.demo import backstage, dock, entrance, pages
from edgeproxy.demo.forward import BODY_BYTES, PREFIX, forwarder
from edgeproxy.demo.parts import Stage
from edgeproxy.demo.shop import Shop

_METHODS = ["GET", "HEAD", "POST", "OPTIONS"]


def shop_app(stage: Stage) -> Starlette:
    """The ASGI application behind the address that the demo prints."""
    shop = Shop(stage)
    forward = forwarder(stage.outbound, stage.edge_url)
    routes = [
        *shop.routes(),
        *dock.routes(stage),
        *backstage.routes(stage),
        *entrance.routes(stage),
        Route("/assets/{name:path}", pages.asset),
        Route(f"{PREFIX}/{{rest:path}}", forward, methods=_METHODS, max_body_size=BODY_BYTES),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: shop.astray})
