"""`POST /v2/conversion`, `/v3/{id}/events` and their validation: Snap's own API as a way in.

Snap's SDKs work when their host and token are changed to this one's and a write key. The events go
out like all others, with the integration's own token.
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import msgspec

from edgeproxy.errors import Refused
from edgeproxy.intake import snap
from edgeproxy.intake.raw import Unacceptable
from edgeproxy.intake.report import Report
from edgeproxy.intake.snap import Read
from edgeproxy.public.accept import Answer
from edgeproxy.public.keyed import Caller, Served, bearer, serve
from edgeproxy.public.reports import accept_reports, unhurried
from edgeproxy.public.state import State
from edgeproxy.registry import Site
from edgeproxy.web.asgi import Header, Receive, Scope, Send
from edgeproxy.web.problem import problem

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]

_JSON = msgspec.json.Encoder()
_QUERY_FIELDS = 16

_DROPPED = {
    "no_consent": 'no_consent: this source needs the visitor\'s consent; send "consent": '
    '{"ad": true} with the event',
    "gpc": "gpc: the request carries Sec-GPC, which is a refusal",
    "unmapped": "unmapped: no integration of this source has this pixel and takes this event",
}


class _Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one event: "" for taken, else a code and a sentence."""

    code: str = ""
    reason: str = ""


def snap_routes(state: State) -> dict[str, dict[str, Handler]]:
    """The handlers by path and method; a star stands for the id in a path."""

    def post(work: Callable[..., Awaitable[Served]], no: str, **how: bool) -> dict[str, Handler]:
        refusal = partial(_refusal, status=no)
        return {"POST": partial(serve, state=state, work=partial(work, **how), refusal=refusal)}

    return {
        "/v2/conversion": post(_take_v2, "FAILED", test=False),
        "/v2/conversion/validate": post(_take_v2, "FAILED", test=True),
        "/v3/*/events": post(_take_v3, "INVALID", test=False),
        "/v3/*/events/validate": post(_take_v3, "INVALID", test=True),
    }


async def _take_v2(caller: Caller, *, test: bool) -> Served:
    """200 SUCCESS with the others in `error_records` (from 1), 400 FAILED when none was taken."""
    site = caller.site(bearer(caller.authorization))
    verdicts = await _taken(snap.read_v2(await caller.body(), test=test), caller, site)
    none = all(one.code for one in verdicts)
    records = [
        {"reason": one.reason, "record_indexes": [number]}
        for number, one in enumerate(verdicts, 1)
        if one.code
    ]
    body: dict[str, Any] = {"status": "SUCCESS", "reason": "All records processed"}
    if records:
        body = {
            "status": "FAILED" if none else "SUCCESS",
            "reason": "All records failed" if none else "Some records failed",
            "error_records": records,
        }
    if test:
        body = {"error_records": [], **body, "warning_records": [], "validated_fields": []}
    return _status(none, test), _JSON.encode(body)


async def _take_v3(caller: Caller, *, test: bool) -> Served:
    """200 VALID, 400 INVALID when none was taken; the first that was not is named, from 0."""
    query = _query(caller.scope)
    site = caller.site(query.get("access_token", "") or bearer(caller.authorization))
    asset = _asset(caller.scope["path"])
    verdicts = await _taken(snap.read_v3(await caller.body(), asset, test=test), caller, site)
    none = all(one.code for one in verdicts)
    bad = [number for number, one in enumerate(verdicts) if one.code]
    reason = "At least one of the events is invalid." if bad else ""
    body: dict[str, Any] = {"status": "INVALID" if none else "VALID", "reason": reason}
    if test:
        body |= {"test_event": True, "event_logs": [_log(n, one) for n, one in enumerate(verdicts)]}
    elif bad:
        body |= {"event": bad[0], "errors": _errors(verdicts[bad[0]])}
    else:
        body["reason"] = "All events have been processed successfully."
    return _status(none, test), _JSON.encode(body)


async def _taken(each: Iterable[Read], caller: Caller, site: Site) -> list[_Verdict]:
    """Store the events; what became of each is in their order."""
    read = [one async for one in unhurried(each)]
    reports = [one for one in read if isinstance(one, Report)]
    caller.count_rejected(site, len(read) - len(reports))
    answers = iter(await accept_reports(reports, caller.ask, site, caller.state))
    return [
        _Verdict(code=one.code, reason=f"{one.code}: {one.reason}")
        if isinstance(one, Unacceptable)
        else _verdict(next(answers))
        for one in read
    ]


def _verdict(answer: Answer) -> _Verdict:
    for no in answer.rejected:
        return _Verdict(code=no.code, reason=f"{no.code}: {no.reason}")
    for reason in answer.dropped:
        return _Verdict(code=reason, reason=_DROPPED.get(reason, reason))
    return _Verdict()


def _status(none: bool, test: bool) -> int:
    return 400 if none and not test else 200


def _log(number: int, one: _Verdict) -> dict[str, Any]:
    errors = _errors(one) if one.code else {}
    status = "INVALID" if one.code else "VALID"
    return {"event": number, "status": status, "errors": errors, "warnings": []}


def _errors(one: _Verdict) -> dict[str, Any]:
    return {"codes": [one.code], "error_msgs": [one.reason]}


def _refusal(refused: Refused, status: str) -> tuple[int, list[Header], bytes]:
    """A refusal of the whole request in Snap's shape."""
    code, headers, _ = problem(refused)
    told = [(name, value) for name, value in headers if name != b"content-type"]
    reason = "Authentication failed" if code == 401 else f"{refused.code}: {refused.message}"
    body = _JSON.encode({"status": status, "reason": reason})
    return code, [(b"content-type", b"application/json"), *told], body


def _query(scope: Scope) -> dict[str, str]:
    """The query's parameters, the first of each name; none when there are too many."""
    try:
        found = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=_QUERY_FIELDS)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}


def _asset(path: str) -> str:
    """The id in `…/v3/{id}/events…`."""
    return path.rpartition("/v3/")[2].partition("/")[0]
