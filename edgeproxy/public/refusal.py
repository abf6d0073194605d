"""The one place where an error becomes an answer of the public listener."""

from collections.abc import Callable

from edgeproxy.errors import Refused
from edgeproxy.registry import Registry
from edgeproxy.web.asgi import Header
from edgeproxy.web.problem import our_fault, problem


def refusal(
    error: Exception,
    origin: bytes | None,
    registry: Registry | None,
    *,
    path: str,
    log: Callable[..., None],
) -> tuple[int, list[Header], bytes]:
    """Status, headers and body for an error.

    An allowed origin can read it, a foreign one cannot.

    Args:
        error: What was raised; anything but `Refused` is our fault, and logged.
        origin: The request's `Origin`.
        registry: Knows the allowed ones; None for a path that no other origin calls.
        path: For the log.
        log: Writes a line.
    """
    status, headers, body = problem(_blamed(error, path, log))
    if registry is not None:
        site = registry.by_origin(origin)
        headers += site.cors if site is not None else [(b"vary", b"Origin")]
    return status, headers, body


def _blamed(error: Exception, path: str, log: Callable[..., None]) -> Refused:
    if isinstance(error, Refused):
        return error
    log("error", "request_failed", path=path, exc_info=error)
    return our_fault()
