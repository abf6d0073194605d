"""The vocabulary of the wire: what a dialect makes of an event, a request and its answer."""

from typing import Literal

import msgspec

Endpoint = Literal["live", "validate"]


class WireEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One event as Snap shall see it.

    `fields` is the JSON object without empty fields. `low_match` marks an event that has none of
    e-mail, phone, mobile ad id, or IP address together with user agent. `target` is the asset in
    the request's path; events of different targets cannot share a request ("" where the path names
    none).
    """

    fields: dict[str, object]
    low_match: bool
    target: str = ""


class WireRequest(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One HTTP request to Snap, without the token: the transport puts it in.

    `path` begins with "/" and has no query. `token_in` says where the token goes.
    """

    path: str
    body: bytes
    token_in: Literal["header", "query"]
    events: int


class WireResponse(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What came back: an HTTP answer (`status`, `body`), or `fault` when there was none.

    `fault` is one of timeout, refused, tls, dns, reset, protocol, too_long. `retry_after` is the
    header as received. `body` is at most 64 KiB.
    """

    status: int | None
    body: bytes = b""
    retry_after: str = ""
    fault: str = ""
    latency_ms: float = 0.0
