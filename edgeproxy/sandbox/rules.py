"""Snap's rules for one event, read anew from its documentation, as pure functions.

`judge_v2` and `judge_v3` take a decoded event and say what Snap would refuse (`faults`) and what it
would take but nobody should send (`warnings`). Nothing here is shared with the code that makes
events, so that a mistake there is not repeated here.
"""

from collections.abc import Iterator
from typing import NamedTuple

from edgeproxy.sandbox import checks, fields
from edgeproxy.sandbox.checks import Complaint
from edgeproxy.sandbox.fields import Table

MAX_EVENTS = 2000
"""Events in one request. Source: Snap, Conversions API, limits."""

FUTURE_MS = 10 * 60_000
DAY_MS = 86_400_000
WEB_DAYS = 7
OFFLINE_DAYS = 37

_MISSING = Complaint("missing", "is required")
_MISSING_PURCHASE = Complaint("missing", "is required for PURCHASE")
_MISSING_APP = Complaint("missing", "is required for MOBILE_APP")
_MISSING_WEB = Complaint("missing", "is required for WEB")
_NO_ID = Complaint("no_id", "is missing; Snap cannot tell a repetition from a second event", True)
_NO_EXTINFO = Complaint("missing", "is missing; Snap asks for 16 texts about the device", True)
_BAD_EXTINFO = Complaint("bad_value", "must hold exactly 16 texts, the first i2 or a2")
_BAD_TIME = Complaint("bad_time", "is an invalid Unix timestamp; it must be a whole number")
_SECONDS = Complaint("bad_time", "looks like seconds; v2 wants milliseconds")
_MILLISECONDS = Complaint("bad_time", "is an invalid Unix timestamp; v3 wants seconds")
_MILLISECONDS_TAKEN = Complaint("bad_time", "looks like milliseconds; v3 wants seconds", True)
_FUTURE = Complaint("out_of_range", "is more than 10 minutes in the future")
_TOO_OLD = {
    days: Complaint("out_of_range", f"is more than {days} days ago")
    for days in (WEB_DAYS, OFFLINE_DAYS)
}
_NO_IDENTIFIER = Complaint("no_identifier", "names nobody; Snap has nothing to match")
_LOW_MATCH = (
    "has none of e-mail, phone, mobile ad id, or IP address and user agent together; "
    "Snap may find too few identifiers"
)
_WARN_LOW_MATCH = Complaint("low_match", _LOW_MATCH, True)
_REFUSE_LOW_MATCH = Complaint("low_match", _LOW_MATCH)
_NO_LINE_ID = Complaint("missing", "is missing in a line", True)


class Fault(NamedTuple):
    """One thing that is wrong with an event: a code, the field by its path, and why."""

    code: str
    field: str
    says: str

    def __str__(self) -> str:
        return f"{self.field} {self.says}"


class Judged(NamedTuple):
    """What Snap would refuse an event for, and what it would take with a frown."""

    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()


_FINE = Judged()
_Found = list[tuple[str, Complaint]]


def judge_v2(event: object, *, now_ms: int, refuse_low_match: bool = False) -> Judged:
    """Hold one flat v2 event against Snap's rules.

    Args:
        event: As decoded from JSON.
        now_ms: The instant of receipt, Unix ms.
        refuse_low_match: Refuse what has too few identifiers instead of warning.
    """
    if type(event) is not dict:
        return _sorted_out([("event", checks.NOT_OBJECT)])
    found: _Found = []
    _walk(event, fields.V2, "", found)
    _require(event, ("event_type", "event_conversion_type", "timestamp"), _MISSING, "", found)
    app = event.get("event_conversion_type") == "MOBILE_APP"
    if app:
        _require(event, ("snap_app_id", "app_id"), _MISSING_APP, "", found)
    else:
        _require(event, ("pixel_id",), _MISSING, "", found)
    if event.get("event_type") == "PURCHASE":
        _require(event, ("price", "currency"), _MISSING_PURCHASE, "", found)
    if "client_dedup_id" not in event:
        found.append(("client_dedup_id", _NO_ID))
    if (time := event.get("timestamp")) is not None and (wrong := _time_v2(time, now_ms)):
        found.append(("timestamp", wrong))
    strong = any(map(event.__contains__, fields.STRONG_V2)) or (
        "hashed_ip_address" in event and "user_agent" in event
    )
    if not strong:
        found.append(
            ("event", _weak(some=not fields.ANY_V2.isdisjoint(event), refuse=refuse_low_match))
        )
    return _sorted_out(found)


def judge_v3(event: object, *, now_ms: int, refuse_low_match: bool = False) -> Judged:
    """Hold one nested v3 event (a member of `data`) against Snap's rules; arguments as above."""
    if type(event) is not dict:
        return _sorted_out([("event", checks.NOT_OBJECT)])
    found: _Found = []
    _walk(event, fields.V3, "", found)
    _require(event, ("event_name", "event_time", "action_source", "user_data"), _MISSING, "", found)
    user = _inner(event, "user_data", fields.USER_V3, found)
    custom = _inner(event, "custom_data", fields.CUSTOM_V3, found)
    source = event.get("action_source")
    if source in fields.WEB_SOURCES:
        _require(event, ("event_source_url",), _MISSING_WEB, "", found)
    app = _inner(event, "app_data", fields.APP_V3, found)
    if source in fields.APP_SOURCES:
        _app(event, app, found)
    if event.get("event_name") == "PURCHASE":
        _require(custom, ("value", "currency"), _MISSING_PURCHASE, "custom_data.", found)
    _goods(custom, found)
    if "event_id" not in event:
        found.append(("event_id", _NO_ID))
    if (time := event.get("event_time")) is not None:
        online = source in fields.WEB_SOURCES or source in fields.APP_SOURCES
        found.extend(("event_time", wrong) for wrong in _time_v3(time, now_ms, online=online))
    strong = any(map(user.__contains__, fields.STRONG_V3)) or (
        "client_ip_address" in user and "client_user_agent" in user
    )
    if not strong:
        found.append(("user_data", _weak(some=bool(user), refuse=refuse_low_match)))
    return _sorted_out(found)


def _walk(values: dict[str, object], table: Table, path: str, found: _Found) -> None:
    known = table.get
    for name, value in values.items():
        wrong = checks.NULL if value is None else known(name, checks.unknown)(value)
        if wrong is not None:
            found.append((path + name, wrong))


def _require(
    values: dict[str, object], names: tuple[str, ...], wrong: Complaint, path: str, found: _Found
) -> None:
    for name in names:
        if name not in values:
            found.append((path + name, wrong))


def _inner(event: dict[str, object], name: str, table: Table, found: _Found) -> dict[str, object]:
    """The object under a name, walked; empty when there is none."""
    values = event.get(name)
    if type(values) is not dict:
        if values is not None:
            found.append((name, checks.NOT_OBJECT))
        return {}
    _walk(values, table, f"{name}.", found)
    return values


def _app(event: dict[str, object], app: dict[str, object], found: _Found) -> None:
    if "app_data" not in event:
        found.append(("app_data", _MISSING_APP))
        return
    _require(app, ("app_id",), _MISSING_APP, "app_data.", found)
    extinfo = app.get("extinfo")
    if extinfo is None:
        found.append(("app_data.extinfo", _NO_EXTINFO))
    elif not (
        type(extinfo) is list
        and len(extinfo) == fields.EXTINFO_TEXTS
        and all(type(one) is str for one in extinfo)  # "" stands for what is not known
        and extinfo[0] in ("i2", "a2")
    ):
        found.append(("app_data.extinfo", _BAD_EXTINFO))


def _goods(custom: dict[str, object], found: _Found) -> None:
    """The lines of `contents`."""
    lines = custom.get("contents")
    if lines is None:
        return
    if type(lines) is not list or not lines:
        found.append(("custom_data.contents", checks.EMPTY if lines == [] else checks.NOT_OBJECTS))
        return
    for index, line in enumerate(lines):
        path = f"custom_data.contents[{index}]"
        if type(line) is not dict:
            found.append((path, checks.NOT_OBJECT))
            continue
        _walk(line, fields.LINE_V3, f"{path}.", found)
        _require(line, ("id",), _NO_LINE_ID, f"{path}.", found)


def _time_v2(value: object, now_ms: int) -> Complaint | None:
    if type(value) is str and value.isascii() and value.isdecimal():
        value = int(value[:20])
    if type(value) is not int:
        return _BAD_TIME
    return _SECONDS if 0 <= value < 100_000_000_000 else _range(value, now_ms, OFFLINE_DAYS)


def _time_v3(value: object, now_ms: int, *, online: bool) -> Iterator[Complaint]:
    if type(value) is not int:
        yield _BAD_TIME
        return
    time_ms = value * 1000
    if value >= 100_000_000_000:
        yield _MILLISECONDS_TAKEN if online else _MILLISECONDS
        if not online:
            return
        time_ms = value
    wrong = _range(time_ms, now_ms, WEB_DAYS if online else OFFLINE_DAYS)
    if wrong is not None:
        yield wrong


def _range(time_ms: int, now_ms: int, days: int) -> Complaint | None:
    if time_ms > now_ms + FUTURE_MS:
        return _FUTURE
    return _TOO_OLD[days] if time_ms < now_ms - days * DAY_MS else None


def _weak(*, some: bool, refuse: bool) -> Complaint:
    if not some:
        return _NO_IDENTIFIER
    return _REFUSE_LOW_MATCH if refuse else _WARN_LOW_MATCH


def _sorted_out(found: _Found) -> Judged:
    if not found:
        return _FINE
    faults = [Fault(wrong.code, field, wrong.says) for field, wrong in found if not wrong.warns]
    warnings = [Fault(wrong.code, field, wrong.says) for field, wrong in found if wrong.warns]
    return Judged(tuple(faults), tuple(warnings))
