"""The way from the shop into the dashboard without typing the token, on this machine only.

`/dashboard/…` logs the browser in through the dashboard's own login and leads to the page there.
Browsers do not tell ports of a host apart in cookies, so a session handed out here is good there.
The dashboard itself knows nothing of it: whoever comes from elsewhere meets its login page.
"""

import ipaddress
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edgeproxy.demo.pages import SAFE
from edgeproxy.demo.parts import LOOPBACK, Stage

NAMES = ("localhost", LOOPBACK)
"""What a browser may call this machine; the dashboard listens on 127.0.0.1 alone."""

_FORM = "application/x-www-form-urlencoded"
_SCID = "_scid"


def routes(stage: Stage) -> list[Route]:
    """Into the dashboard: any page of it, and the events of the browser that asks."""

    async def enter(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        return await _entered(stage, request, f"/{request.path_params.get('rest', '')}{query}")

    async def mine(request: Request) -> Response:
        scid = request.cookies.get(_SCID, "")
        query = urlencode({"visitor": stage.name_of(scid)}) if scid else ""
        return await _entered(stage, request, f"/events?{query}" if query else "/events")

    return [
        Route("/dashboard", enter),
        Route("/dashboard/mine", mine),
        Route("/dashboard/{rest:path}", enter),
    ]


async def _entered(stage: Stage, request: Request, path: str) -> Response:
    name = request.url.hostname or ""
    known = name in NAMES
    base = stage.admin_url.replace(LOOPBACK, name if known else NAMES[0])
    response = RedirectResponse(f"{base}{path}", 303, SAFE)
    if known and _is_from_here(request) and not await _has_session(stage, request):
        for line in await _log_in(stage, request):
            response.headers.append("set-cookie", line)
    return response


def _is_from_here(request: Request) -> bool:
    """Whether a person on this machine asks, and no other site's page makes the browser ask."""
    peer = request.client.host if request.client else ""
    foreign = request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    return not foreign and ipaddress.ip_address(peer or "0.0.0.0").is_loopback  # noqa: S104


async def _has_session(stage: Stage, request: Request) -> bool:
    headers = {"cookie": request.headers.get("cookie", "")}
    answer = await stage.outbound.request("GET", f"{stage.admin_url}/v1/admin/me", headers=headers)
    return answer.status == 200


async def _log_in(stage: Stage, request: Request) -> list[str]:
    """The `Set-Cookie` lines of a login; none when the dashboard does not let in."""
    headers = {
        "origin": stage.admin_url,
        "content-type": _FORM,
        "cookie": "",
        "user-agent": request.headers.get("user-agent", ""),
    }
    body = urlencode({"token": stage.admin_token}).encode()
    answer = await stage.outbound.request(
        "POST", f"{stage.admin_url}/login", headers=headers, body=body
    )
    return [value for name, value in answer.headers if name == "set-cookie"]
