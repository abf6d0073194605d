"""The one place where an error becomes an HTTP answer: RFC 9457, `application/problem+json`.

Never echoes what was sent.
"""

from http import HTTPStatus

import msgspec

from edgeproxy.errors import Refused, Unfit

Header = tuple[bytes, bytes]


class FieldFault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one field, "config.api" for one inside another."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller reads about an error. `code` is for machines, `detail` for people.

    `faults` is there when fields of what was sent are wrong: all of them.
    """

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    faults: list[FieldFault] | msgspec.UnsetType = msgspec.UNSET


def problem(error: Refused) -> tuple[int, list[Header], bytes]:
    """Status, headers and body of a refusal."""
    body = msgspec.json.encode(
        Problem(
            title=HTTPStatus(error.status).phrase,
            status=error.status,
            code=error.code,
            detail=error.message,
            faults=_faults(error),
        )
    )
    headers: list[Header] = [
        (b"content-type", b"application/problem+json"),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if error.retry_after_s is not None:
        headers.append((b"retry-after", str(error.retry_after_s).encode()))
    return error.status, headers, body


def _faults(error: Refused) -> list[FieldFault] | msgspec.UnsetType:
    if not isinstance(error, Unfit):
        return msgspec.UNSET
    return [FieldFault(field=field, message=message) for field, message in error.faults]


def not_found() -> Refused:
    """The answer for a path that is not ours."""
    return Refused("not_found", "there is nothing at this path", status=404)


def not_allowed(methods: str) -> Refused:
    """The answer for a known path with another method."""
    return Refused("method_not_allowed", f"this path takes {methods}", status=405)


def our_fault() -> Refused:
    """The answer when we are wrong; the reason stands in the log, not here."""
    return Refused("internal", "something went wrong on our side; it is logged", status=500)
