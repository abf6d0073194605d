"""Behind the scenes: small experiments, and a switch that breaks the pixel's token.

GET  /backstage        the page
POST /backstage/play   plays one of the experiments, or turns the switch
"""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edgeproxy.demo import pages
from edgeproxy.demo.dock import dock
from edgeproxy.demo.forward import VISITOR_ADDRESS
from edgeproxy.demo.parts import INTEGRATION, Stage
from edgeproxy.demo.whatif import EXPERIMENTS, play
from edgeproxy.errors import Failed

_FORM_BYTES = 1024


def routes(stage: Stage) -> list[Route]:
    """Both of them."""

    async def show(_: Request) -> Response:
        values = {
            "address": VISITOR_ADDRESS,
            "sandbox_url": stage.sandbox_url,
            "experiments": EXPERIMENTS,
            "tokens": stage.tokens,
            "integration": INTEGRATION,
            **dock(stage),
        }
        return pages.html("backstage.html", values)

    async def act(request: Request) -> Response:
        return await _played(stage, request)

    return [
        Route("/backstage", show),
        Route("/backstage/play", act, methods=["POST"], max_body_size=_FORM_BYTES),
    ]


async def _played(stage: Stage, request: Request) -> Response:
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return Response("Only the demo's own page may ask for this.\n", 403)
    name = (await request.body()).decode("utf-8", "replace").partition("=")[2]
    try:
        await play(name, stage)
    except KeyError:
        return Response("There is no such experiment.\n", 404)
    except Failed as failed:
        return Response(f"{failed}\n", 502)
    return RedirectResponse("/backstage", 303)
