"""`POST /v1/track`, `/v1/page`, `/v1/identify`, `/v1/batch`: Segment's HTTP API.

Segment's SDKs work when their host is changed to this one's.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from edgeproxy.errors import BadBatch, Refused
from edgeproxy.intake import segment
from edgeproxy.intake.raw import Rejected
from edgeproxy.intake.report import Report
from edgeproxy.intake.segment import Call
from edgeproxy.public.accept import Answer
from edgeproxy.public.keyed import OPEN_CORS, Caller, Served, basic_user, preflight, serve
from edgeproxy.public.reports import accept_reports, unhurried
from edgeproxy.public.state import State
from edgeproxy.web.asgi import Header, Receive, Scope, Send
from edgeproxy.web.problem import problem

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]

CALLS: dict[str, Call | None] = {
    "/v1/track": "track",
    "/v1/page": "page",
    "/v1/identify": "identify",
    "/v1/batch": None,
    "/v1/screen": "screen",
    "/v1/group": "group",
    "/v1/alias": "alias",
    "/v1/import": None,
    "/v1/import/": None,
    "/v1/b": None,
    "/v1/t": "track",
    "/v1/p": "page",
    "/v1/i": "identify",
    "/v1/s": "screen",
    "/v1/g": "group",
    "/v1/a": "alias",
}
"""Path → the call of its one message; None for a batch.

Source: Segment, HTTP Tracking API source. The Java and Ruby libraries post to `import`, those of
Kotlin and Swift to `b`, the browser's to the letters.
"""

_JSON = msgspec.json.Encoder()
_SUCCESS = b'{"success":true}'


def segment_routes(state: State) -> dict[str, dict[str, Handler]]:
    """The handlers by path and method."""
    return {
        path: {
            "POST": partial(
                serve, state=state, work=partial(_take, call=call), refusal=_refusal, cors=OPEN_CORS
            ),
            "OPTIONS": preflight,
        }
        for path, call in CALLS.items()
    }


async def _take(caller: Caller, call: Call | None) -> Served:
    """Store what the messages say, and answer only when it is durable.

    200  done; `dropped` and `rejected` are there when something was
    400  no call of Segment's    401  no valid write key    413  too large    415  not gzip
    422  no message was usable    429  too many requests of one key or address
    503  durability cannot be promised now; every SDK comes back
    """
    key = basic_user(caller.authorization)
    site = None if key is None else caller.site(key)
    body = await caller.body()
    try:
        request = segment.open_request(body, call)
    except BadBatch:
        if site is None:  # who has shown no key is told nothing else
            caller.site("")
        raise
    if site is None:
        site = caller.site(request.write_key)
    found = [one async for one in unhurried(segment.read(request))]
    reports = [one for one in found if isinstance(one, Report)]
    rejected = [one for one in found if isinstance(one, Rejected)]
    caller.count_rejected(site, len(rejected))
    answers = await accept_reports(reports, caller.ask, site, caller.state)
    return _told(answers, rejected, len(request.messages))


def _told(answers: Sequence[Answer], unread: Sequence[Rejected], messages: int) -> Served:
    """What the caller is told: Segment's answer, and more of it when something is not as asked."""
    rejected = [*unread, *(no for answer in answers for no in answer.rejected)]
    rejected.sort(key=lambda one: one.index)
    dropped = Counter[str]()
    for answer in answers:
        dropped.update(answer.dropped)
    del dropped["internal"]
    if not rejected and not dropped:
        return 200, _SUCCESS
    found: dict[str, Any] = {"success": len(rejected) < messages}
    if dropped:
        found["dropped"] = dropped
    if rejected:
        found["rejected"] = rejected
    if found["success"]:
        return 200, _JSON.encode(found)
    first = rejected[0]
    return 422, _JSON.encode({**found, "code": first.code, "message": first.reason})


def _refusal(refused: Refused) -> tuple[int, list[Header], bytes]:
    """A problem with the fields besides that Segment's SDKs read from an error."""
    status, headers, body = problem(refused)
    told = msgspec.json.decode(body)
    return status, headers, _JSON.encode({**told, "success": False, "message": refused.message})
