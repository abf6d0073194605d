"""The public application: an exact-path table in front, one place where errors become answers."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from edgeproxy.errors import StoreBusy
from edgeproxy.public.choice import choose
from edgeproxy.public.collect import Collector, collect, site_of
from edgeproxy.public.image import image
from edgeproxy.public.refusal import refusal
from edgeproxy.public.segment import segment_routes
from edgeproxy.public.snap_shape import snap_routes
from edgeproxy.public.state import State
from edgeproxy.public.tag import TagFiles
from edgeproxy.public.visit import visit
from edgeproxy.web.asgi import App, Gone, Header, Receive, Scope, Send, answer
from edgeproxy.web.exchange import Direct
from edgeproxy.web.problem import not_allowed, not_found

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]

_PREFLIGHT: tuple[Header, ...] = (
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"Content-Type"),
    (b"access-control-max-age", b"7200"),
)


def public_app(state: State, tag: TagFiles, *, prefix: str = "") -> App:
    """The ASGI application of the public listener.

    Args:
        state: What it works with.
        tag: The files behind `/s.js` and its parts.
        prefix: Put before every path ("" or "/edge").
    """
    return _answering(state, _routes(state, tag, prefix))


def direct_handlers(state: State, *, prefix: str = "") -> dict[bytes, Direct]:
    """The handlers of the public listener for requests that need no ASGI, by target.

    Called in the event loop that they will work in.
    """
    return {f"{prefix}/e".encode(): Collector(state, asyncio.get_running_loop()).take}


def _answering(state: State, routes: dict[str, dict[str, Handler]]) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        methods = _methods(routes, scope["path"])
        handler = methods.get(scope["method"]) if methods is not None else None
        try:
            if handler is None:
                raise not_found() if methods is None else not_allowed(_allow(methods))
            await handler(scope, receive, send)
        except Gone:
            return
        except Exception as error:
            await _refuse(scope, send, state, error, methods)

    return app


_ASSET = re.compile(r"/v3/[0-9A-Za-z-]{1,64}/events")
"""Snap's only path with an id in it."""


def _methods(routes: dict[str, dict[str, Handler]], path: str) -> dict[str, Handler] | None:
    found = routes.get(path)
    if found is None and "/v3/" in path:
        return routes.get(_ASSET.sub("/v3/*/events", path, count=1))
    return found


def health_app(state: State, *, prefix: str = "") -> App:
    """The application of a process that only delivers: how it is, and nothing else."""
    return _answering(state, _health(state, prefix))


def _routes(state: State, tag: TagFiles, prefix: str) -> dict[str, dict[str, Handler]]:
    preflight = partial(_preflight, state=state)
    scripts: dict[str, dict[str, Handler]] = {
        path: {"GET": file, "HEAD": file} for path, file in tag.handlers.items()
    }
    table: dict[str, dict[str, Handler]] = {
        "/e": {"POST": partial(collect, state=state), "OPTIONS": preflight},
        "/consent": {"POST": partial(choose, state=state), "OPTIONS": preflight},
        "/visit": {"GET": partial(visit, state=state)},
        "/i": {"GET": partial(image, state=state)},
        **segment_routes(state),
        **snap_routes(state),
        **scripts,
    }
    return {prefix + path: methods for path, methods in table.items()} | _health(state, prefix)


def _health(state: State, prefix: str) -> dict[str, dict[str, Handler]]:
    ready = partial(_readyz, state=state)
    return {
        f"{prefix}/healthz": {"GET": _healthz, "HEAD": _healthz},
        f"{prefix}/readyz": {"GET": ready, "HEAD": ready},
    }


def _allow(methods: dict[str, Handler]) -> str:
    return ", ".join(sorted(methods))


async def _refuse(
    scope: Scope,
    send: Send,
    state: State,
    error: Exception,
    methods: dict[str, Handler] | None,
) -> None:
    """Answer with the problem, readable for allowed origins where other origins may call."""
    status, headers, body = refusal(
        error,
        dict(scope["headers"]).get(b"origin"),
        state.registry if methods is not None and "OPTIONS" in methods else None,
        path=scope["path"],
        log=state.log,
    )
    if status == 405 and methods is not None:
        headers.append((b"allow", _allow(methods).encode()))
    await answer(send, status, headers, b"" if scope["method"] == "HEAD" else body)


async def _preflight(scope: Scope, receive: Receive, send: Send, state: State) -> None:
    site = site_of(dict(scope["headers"]).get(b"origin"), state)
    await answer(send, 204, [*site.cors, *_PREFLIGHT])


async def _healthz(scope: Scope, receive: Receive, send: Send) -> None:
    """200 while the event loop lives."""
    await _json(send, 200, {"status": "ok"})


async def _readyz(scope: Scope, receive: Receive, send: Send, state: State) -> None:
    """200 when an event can be made durable now, else 503 with the failing checks."""
    checks = {"store": "ok", "process": "stopping" if state.stopping() else "ok"}
    try:
        await state.store.check()
    except StoreBusy as busy:
        checks["store"] = busy.message
    ready = all(verdict == "ok" for verdict in checks.values())
    await _json(
        send, 200 if ready else 503, {"status": "ok" if ready else "down", "checks": checks}
    )


async def _json(send: Send, status: int, content: object) -> None:
    headers: list[Header] = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
    ]
    await answer(send, status, headers, msgspec.json.encode(content))
