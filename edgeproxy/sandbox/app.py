"""The sandbox over HTTP: Snap's eight paths, the script's, and a page to look at.

POST /v2/conversion  /v2/conversion/validate  /v3/{id}/events  /v3/{id}/events/validate
GET  …/validate/logs  …/validate/stats
POST /_sandbox/script  /_sandbox/reset
GET  /_sandbox/received  /_sandbox/events?since=n&limit=n  /_sandbox/ids  /_sandbox/live
GET  /
"""

import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edgeproxy.sandbox import page
from edgeproxy.sandbox.call import Call
from edgeproxy.sandbox.faults import BreakableProtocol, Held, ScriptedResponse
from edgeproxy.sandbox.script import Settings
from edgeproxy.sandbox.state import Sandbox
from edgeproxy.web.listener import Listener, bind, listening

MAX_BODY_BYTES = 8 * 1024 * 1024
"""Snap documents no limit of bytes; this one only keeps the sandbox small."""

_settings = msgspec.json.Decoder(Settings)
_Endpoint = Literal["live", "validate", "logs", "stats"]
_Handler = Callable[[Request], Awaitable[Response]]


def sandbox_app(sandbox: Sandbox) -> Starlette:
    """The ASGI application for one sandbox; scripted faults need `faults.BreakableProtocol`."""
    with_sandbox = functools.partial(_route, sandbox)
    app = Starlette(
        routes=[
            with_sandbox("/v2/conversion", _snap("v2", "live"), "POST"),
            with_sandbox("/v2/conversion/validate", _snap("v2", "validate"), "POST"),
            with_sandbox("/v2/conversion/validate/logs", _snap("v2", "logs"), "GET"),
            with_sandbox("/v2/conversion/validate/stats", _snap("v2", "stats"), "GET"),
            with_sandbox("/v3/{id}/events", _snap("v3", "live"), "POST"),
            with_sandbox("/v3/{id}/events/validate", _snap("v3", "validate"), "POST"),
            with_sandbox("/v3/{id}/events/validate/logs", _snap("v3", "logs"), "GET"),
            with_sandbox("/v3/{id}/events/validate/stats", _snap("v3", "stats"), "GET"),
            with_sandbox("/_sandbox/script", _script, "POST"),
            with_sandbox("/_sandbox/reset", _reset, "POST"),
            with_sandbox("/_sandbox/received", _received, "GET"),
            with_sandbox("/_sandbox/events", _events, "GET"),
            with_sandbox("/_sandbox/ids", _ids, "GET"),
            with_sandbox("/_sandbox/live", page.live, "GET"),
            with_sandbox("/_sandbox/{name}", page.asset, "GET"),
            with_sandbox("/", page.index, "GET"),
        ],
        exception_handlers={HTTPException: functools.partial(_astray, sandbox)},
    )
    app.state.held = Held()
    return app


@contextlib.asynccontextmanager
async def serve_sandbox(
    sandbox: Sandbox, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Listener]:
    """Serve a sandbox for the length of the block; port 0 takes a free one.

    Scripted answers under way are broken off at the end. Raises OSError when the port is taken.
    """
    app = sandbox_app(sandbox)
    async with listening(app, bind(host, port), protocol=BreakableProtocol) as listener:
        try:
            yield listener
        finally:
            app.state.held.release()


_Work = Callable[[Sandbox, Request], Awaitable[Response]]


def _route(sandbox: Sandbox, path: str, work: _Work, method: str) -> Route:
    async def handle(request: Request) -> Response:
        try:
            return await work(sandbox, request)
        except ClientDisconnect:
            return Response(status_code=400)  # to nobody

    return Route(path, handle, methods=[method], max_body_size=MAX_BODY_BYTES)


def _snap(dialect: Literal["v2", "v3"], endpoint: _Endpoint) -> _Work:
    async def work(sandbox: Sandbox, request: Request) -> Response:
        in_query = request.query_params.get("access_token", "")
        bearer = _bearer(request)
        call = Call(
            method=request.method,
            path=request.url.path,
            dialect=dialect,
            endpoint=endpoint,
            asset=request.path_params.get("id") or request.query_params.get("asset_id", ""),
            token=bearer if dialect == "v2" else in_query,
            stray=dialect == "v2" and bool(in_query),
            body=await request.body(),
        )
        reply = sandbox.get(call) if request.method in ("GET", "HEAD") else sandbox.post(call)
        if reply.by is not None:
            return ScriptedResponse(reply.body, reply.status, reply.by, request.app.state.held)
        return _json(reply.body, reply.status)

    return work


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def _script(sandbox: Sandbox, request: Request) -> Response:
    """Take a script; what is left out of the body stays as it is."""
    if _foreign(request):
        return _error(403, "Only tools and the sandbox's own page may change it.")
    try:
        settings = _settings.decode(await request.body())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _error(400, f"This is no script: {error}.")
    sandbox.change(settings)
    return _json(msgspec.json.encode({"answers": len(sandbox.script)}))


async def _reset(sandbox: Sandbox, request: Request) -> Response:
    if _foreign(request):
        return _error(403, "Only tools and the sandbox's own page may change it.")
    sandbox.reset()
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/", 303)
    return _json(b"{}")


async def _received(sandbox: Sandbox, _: Request) -> Response:
    return _json(
        msgspec.json.encode(
            {"counts": sandbox.counts, "requests": sandbox.requests, "events": sandbox.records}
        )
    )


async def _events(sandbox: Sandbox, request: Request) -> Response:
    """The events numbered above `since`, oldest first; with `limit` only the newest of them."""
    since, limit = _number(request, "since", 0), _number(request, "limit", 0)
    events = sandbox.since(since)
    answer = {
        "next": sandbox.last_n,
        "counts": sandbox.counts,
        "events": events[-limit:] if limit else events,
    }
    return _json(msgspec.json.encode(answer))


async def _ids(sandbox: Sandbox, _: Request) -> Response:
    return _json(msgspec.json.encode({"counts": sandbox.counts, "ids": sandbox.ids}))


async def _astray(sandbox: Sandbox, request: Request, error: Exception) -> Response:
    """404, 405 and 413; those under Snap's paths are answered in Snap's shape and noted."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    path = request.url.path
    if not path.startswith(("/v2/", "/v3/")):
        return _error(status, "There is nothing here; / shows the sandbox.")
    call = Call(
        method=request.method,
        path=path,
        dialect="v3" if path.startswith("/v3/") else "v2",
        endpoint="none",
    )
    return _json(sandbox.astray(call, status).body, status)


def _foreign(request: Request) -> bool:
    """Whether another site's page is behind a change."""
    return request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none")


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    return int(text[:15]) if text.isdecimal() else default


def _json(body: bytes, status: int = 200) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(body, status, headers, media_type="application/json")


def _error(status: int, message: str) -> Response:
    return _json(msgspec.json.encode({"error": message}), status)
