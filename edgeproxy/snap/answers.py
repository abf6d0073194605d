"""What Snap's answer says about each event of a request.

A 200 proves nothing: the body is always read, and nothing counts as delivered without a clear yes.

Source: Snap, Conversions API v2 and v3 (OpenAPI files of the business SDKs, answers of the
validate paths); `record_indexes` count from 1 (Snap's PHP SDK), and Snap's own relay spells them
`recordIndexes`. Snap documents no `Retry-After`; RFC 9110 section 10.2.3 does.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import msgspec

from edgeproxy.outcome import AnswerClass, Verdict
from edgeproxy.wire import WireResponse

RETRY_AFTER_S = (1.0, 3600.0)
"""A wait that Snap dictates is brought into these bounds."""

_YES = frozenset({"success", "valid"})
_NO = frozenset({"failed", "failure", "invalid"})
_CLASSES: dict[int, AnswerClass] = {
    400: "rejected",
    401: "paused_auth",
    403: "paused_auth",
    404: "paused_auth",
    408: "transient",
    410: "paused_auth",
    413: "too_large",
    422: "rejected",
    425: "transient",
    429: "rate_limited",
}
_FAULTS = {
    "timeout": "Snap did not answer in time",
    "refused": "no connection to Snap could be made",
    "tls": "no trusted TLS connection could be made: the certificate or the TLS version is not "
    "acceptable, and nothing was sent",
    "dns": "Snap's host name could not be resolved",
    "reset": "the connection broke before Snap's answer was complete",
    "protocol": "what came back is no HTTP",
}
_SETTINGS = {
    401: "Snap does not accept the access token",
    403: "the access token has no right on this pixel or app",
    404: "Snap knows no such pixel or app",
    410: "this API of Snap is gone",
}
# Only at the start: further inside, Snap may be quoting what a visitor typed.
_ABOUT_SETTINGS = re.compile(
    r"(authenticat|unauthori[sz]|not authori[sz]|forbidden|access denied|permission"
    r"|(the |an? )?(invalid|unknown|expired|missing)[ _]"
    r"(authentication|authori[sz]ation|access[ _]?token|token|pixel|snap_app_id|asset))",
    re.IGNORECASE,
)
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_MESSAGE_CHARS = 500
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read(response: WireResponse, *, sent: int, now_ms: int) -> Verdict:
    """Classify Snap's answer to a request.

    Args:
        response: What came back.
        sent: The number of events in the request; positions count from 0.
        now_ms: When it came, for a `Retry-After` that is a date.

    Returns:
        Positions in neither `delivered` nor `dead` stay queued. `dead` is only filled when it is
        certain which event is meant.
    """
    body = _object(response.body)
    words = _words(body)
    if response.status is None:
        return Verdict(kind="transient", message=_FAULTS.get(response.fault, "no answer"))
    if 200 <= response.status < 300:
        return _read_yes_or_no(response, body, words, sent)
    kind = _class_of(response.status)
    if kind == "rejected" and _is_about_settings(body):
        kind = "paused_auth"
    message = _join((cause(response.status), *words)) or f"HTTP {response.status}"
    return Verdict(
        kind=kind,
        status=response.status,
        dead=_single(kind, sent, message),
        message=message,
        retry_after_s=(
            _retry_after_s(response.retry_after.strip(), now_ms)
            if kind in ("rate_limited", "transient")
            else None
        ),
    )


def listed(status: int) -> bool:
    """Whether there is a rule for a status; without one it is treated like a 5xx."""
    return status in _CLASSES or 200 <= status < 400 or 500 <= status < 600


def _class_of(status: int) -> AnswerClass:
    if 300 <= status < 400:
        return "paused_auth"
    return _CLASSES.get(status, "transient")


def cause(status: int) -> str:
    """What a status says by itself, which begins the verdict's message; "" for nothing."""
    if 300 <= status < 400:
        return f"HTTP {status} points elsewhere; a redirect is never followed"
    return _SETTINGS.get(status, "")


def _read_yes_or_no(
    response: WireResponse, body: Mapping[str, object] | None, words: tuple[str, ...], sent: int
) -> Verdict:
    said = _text((body or {}).get("status")).lower()
    message = _join(words)
    if body is None or response.fault or said not in _YES | _NO:
        message = message or "Snap's answer says neither yes nor no"
        return Verdict(kind="ambiguous", status=response.status, message=message)
    if said in _NO:
        kind: AnswerClass = "paused_auth" if _is_about_settings(body) else "rejected"
        message = message or f"status {said.upper()}"
        dead = _single(kind, sent, message)
        return Verdict(kind=kind, status=response.status, dead=dead, message=message)
    return _read_yes(response.status, body, message, sent)


def _read_yes(status: int | None, body: Mapping[str, object], message: str, sent: int) -> Verdict:
    """A yes, perhaps with records or events that it does not hold for."""
    bad = _bad_records(body, sent)
    if bad is None or len(bad) == sent:
        message = message or "Snap reports an error that belongs to no event of the request"
        dead = _single("rejected", sent, _join(bad.values()) or message if bad else message)
        return Verdict(kind="rejected", status=status, dead=dead, message=message)
    return Verdict(
        kind="partial" if bad else "delivered",
        status=status,
        delivered=tuple(place for place in range(sent) if place not in bad),
        dead=bad,
        message=message,
    )


def _bad_records(body: Mapping[str, object], sent: int) -> dict[int, str] | None:
    """Position → Snap's words; None when there are errors that cannot be placed."""
    if any(_error_texts(body)):
        return None
    bad: dict[int, list[str]] = {}
    for record in _list(body.get("error_records")):
        places = _record_places(record, sent)
        if not places:
            return None
        for place in places:
            bad.setdefault(place, []).append(_text(_mapping(record).get("reason")) or "rejected")
    logs = [_mapping(log) for log in _list(body.get("event_logs"))]
    failed = [log for log in logs if _is_bad(log)]
    first = _first_number(logs, sent) if failed else 0
    if first is None:
        return None
    for log in failed:
        place = _number(log.get("event")) - first
        bad.setdefault(place, []).append(_join(_words(log)) or "rejected")
    return {place: _join(reasons) for place, reasons in sorted(bad.items())}


def _record_places(record: object, sent: int) -> tuple[int, ...]:
    """The positions that an error record names; () when one of them is not to be trusted."""
    fields = _mapping(record)
    named = [*_list(fields.get("record_indexes")), *_list(fields.get("recordIndexes"))]
    places = tuple(_number(index) - 1 for index in named)
    return places if all(0 <= place < sent for place in places) else ()


def _first_number(logs: Iterable[Mapping[str, object]], sent: int) -> int | None:
    """Whether the logs count events from 0 or 1, which is documented nowhere.

    None unless they name every event of the request exactly once: only then is there no doubt.
    """
    numbers = sorted(_number(log.get("event")) for log in logs)
    for first in (0, 1):
        if numbers == list(range(first, first + sent)):
            return first
    return None


def _is_bad(log: Mapping[str, object]) -> bool:
    return _text(log.get("status")).lower() in _NO or any(_error_texts(log))


def _is_about_settings(body: Mapping[str, object] | None) -> bool:
    return bool(_ABOUT_SETTINGS.match(_text((body or {}).get("reason"))))


def _single(kind: AnswerClass, sent: int, words: str) -> dict[int, str]:
    """Of a request of one event it is certain which event is meant."""
    return {0: words} if sent == 1 and kind in ("rejected", "too_large") else {}


def _retry_after_s(text: str, now_ms: int) -> float | None:
    """Seconds to wait as Snap dictates, within `RETRY_AFTER_S`; None for nothing usable.

    Source: RFC 9110 section 10.2.3 (whole seconds, or an HTTP date).
    """
    if re.fullmatch("[0-9]+", text):
        wait_s = float(text[:20])
    else:
        try:
            at = parsedate_to_datetime(text[:100])
            at_s = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        wait_s = at_s - now_ms / 1000
    return min(max(wait_s, RETRY_AFTER_S[0]), RETRY_AFTER_S[1])


def _object(body: bytes) -> Mapping[str, object] | None:
    try:
        value = msgspec.json.decode(body)
    except _UNREADABLE:
        return None
    return value if isinstance(value, dict) else None


def _words(body: Mapping[str, object] | None) -> tuple[str, ...]:
    """Everything that the answer says in words, each text once."""
    if body is None:
        return ()
    said = [_text(body.get("reason")), *_error_texts(body)]
    for record in _list(body.get("error_records")):
        said.append(_text(_mapping(record).get("reason")))
    for log in map(_mapping, _list(body.get("event_logs"))):
        said += _error_texts(log)
    return tuple(dict.fromkeys(text for text in said if text))


def _error_texts(body: Mapping[str, object]) -> Iterator[str]:
    """The messages and codes of v3's `errors`, also in the flat form that was seen."""
    errors = body.get("errors")
    inner = _mapping(errors)
    for value in (inner.get("error_msgs"), body.get("error_msgs"), inner.get("codes"), errors):
        for each in value if isinstance(value, list) else [value]:
            if text := _text(each):
                yield text


def _list(value: object) -> list[object]:
    """The value as a list: what says nothing is empty, what is no list its own only element."""
    if isinstance(value, list):
        return value
    return [value] if value else []


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int:
    """The value if it is an integer, else -1, which is nobody's number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _text(value: object) -> str:
    """A text, or a number as text, on one line and without control characters."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return _NO_TEXT.sub(" ", str(value)[:_MESSAGE_CHARS]).strip()


def _join(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))[:_MESSAGE_CHARS]
