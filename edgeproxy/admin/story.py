"""A trace told for people: the stages of its way, and what went out and came back for each way.

Pure; texts of callers and of Snap are values here, never markup.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from edgeproxy.journal.base import Trace
from edgeproxy.journal.weave import outcome_of
from edgeproxy.reasons import Reason, Tone, answer_reason, reason_of, rule_words
from edgeproxy.trace import Step

IDENTIFIERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("click id", ("click_id", "sc_click_id")),
    ("_scid", ("uuid_c1", "sc_cookie1", "scid")),
    ("e-mail", ("hashed_email", "em", "email_sha256")),
    ("phone", ("hashed_phone_number", "ph", "phone_sha256")),
    (
        "name",
        (
            "hashed_first_name_sha",
            "hashed_last_name_sha",
            "fn",
            "ln",
            "first_name_sha256",
            "last_name_sha256",
        ),
    ),
    ("address", ("hashed_city_sha", "hashed_zip", "ct", "zp", "city_sha256", "zip_sha256")),
    ("IP", ("hashed_ip_address", "client_ip_address", "address_hmac")),
    ("user agent", ("user_agent", "hashed_user_agent", "client_user_agent", "agent_hmac")),
)
"""What Snap matches by → the fields that carry it, of either wire version and of our own event."""

CURL_TOKEN = "$SNAP_TOKEN"  # noqa: S105 - a name, not a token
"""Stands where the access token goes; the shell puts it in."""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of an event's way: what happened, and what to do about it.

    `facts` are (name, value) pairs.
    """

    at_ms: int
    title: str
    tone: Tone
    text: str
    cure: str = ""
    integration: str = ""
    facts: tuple[tuple[str, str], ...] = ()


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """What came in, after hashing. `matches` is (identifier, whether it is there)."""

    at_ms: int
    event: dict[str, Any]
    matches: tuple[tuple[str, bool], ...]


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """One request: the event as it stood in it, and the same as a command for a shell.

    `together` is how many events the request had.
    """

    at_ms: int
    attempt: int
    path: str
    together: int
    fields: dict[str, Any]
    matches: tuple[tuple[str, bool], ...]
    low_match: bool
    curl: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What Snap said to a request, or why nothing was heard (`status` is None)."""

    at_ms: int
    outcome: str
    reason: Reason
    status: int | None
    message: str
    latency_ms: float | None


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """The way to one integration under one of Snap's names. `rule` says why it has that name."""

    integration: str
    name: str
    wire_id: str
    rule: str
    outcome: str
    reason: Reason
    sendings: tuple[Sending, ...]
    answers: tuple[Answer, ...]


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """A whole trace. `arrival` is None for an event of which nothing was kept."""

    arrival: Arrival | None
    stages: tuple[Stage, ...]
    branches: tuple[Branch, ...]


def story(trace: Trace, *, upstream: str) -> Story:
    """Tell a trace.

    Args:
        trace: With its steps.
        upstream: Where Snap is, for the commands.
    """
    arrivals = [_arrival(step) for step in trace.steps if step.stage == "received"]
    return Story(
        arrival=arrivals[0] if arrivals else None,
        stages=tuple(stage for step in _once(trace.steps) for stage in _stages(step)),
        branches=tuple(_branch(steps, upstream) for steps in _by_branch(trace.steps)),
    )


def curl(upstream: str, path: str, fields: Mapping[str, Any]) -> str:
    """A command that sends an event as we sent it, without the token.

    Source: Snap, Conversions API: v2 takes the token as a header, v3 in the query.
    """
    v3 = path.startswith("/v3/")
    body = msgspec.json.encode({"data": [fields]} if v3 else fields).decode()
    url = shlex.quote(f"{upstream}{path}")
    if v3:
        url = f'{shlex.quote(f"{upstream}{path}?access_token=")}"{CURL_TOKEN}"'
    lines = [f"curl -X POST {url}"]
    if not v3:
        lines.append(f'-H "Authorization: Bearer {CURL_TOKEN}"')
    lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(body)}"]
    return " \\\n  ".join(lines)


def matches(fields: Mapping[str, Any]) -> tuple[tuple[str, bool], ...]:
    """Each of `IDENTIFIERS`, and whether these fields have it."""
    present = {name for name, value in fields.items() if value not in ("", None)}
    for inner in ("user_data", "who"):
        if isinstance(more := fields.get(inner), Mapping):
            present |= {name for name, value in more.items() if value not in ("", None)}
    return tuple((label, not present.isdisjoint(names)) for label, names in IDENTIFIERS)


def _arrival(step: Step) -> Arrival:
    event = _object(step.data.get("event"))
    return Arrival(at_ms=step.at_ms, event=event, matches=matches(event))


def _once(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps without what came in again: that is told by the duplicate that it is."""
    came = False
    for step in steps:
        if step.stage != "received" or not came:
            yield step
        came = came or step.stage == "received"


def _by_branch(steps: Iterable[Step]) -> list[list[Step]]:
    found: dict[tuple[str, str, str], list[Step]] = {}
    for step in steps:
        if to := _to(step):
            found.setdefault((to, step.name, step.event_id), []).append(step)
    return list(found.values())


def _branch(steps: Sequence[Step], upstream: str) -> Branch:
    first = steps[0]
    told = [found for step in steps if (found := outcome_of(step))]
    ends = [one for one in told if one != "duplicate"]
    sent = any(step.stage in ("queued", "sent") for step in steps)
    outcome = ends[-1] if ends else "waiting" if sent else "duplicate"
    rule = next((_text(step.data["rule"]) for step in steps if "rule" in step.data), "")
    return Branch(
        integration=_to(first),
        name=first.name,
        wire_id=first.event_id,
        rule=rule,
        outcome=outcome,
        reason=reason_of(outcome),
        sendings=tuple(_sending(step, upstream) for step in steps if step.stage == "sent"),
        answers=tuple(_answer(step) for step in steps if step.stage == "answered"),
    )


def _sending(step: Step, upstream: str) -> Sending:
    data = step.data
    fields, path = _object(data.get("fields")), _text(data.get("path"))
    return Sending(
        at_ms=step.at_ms,
        attempt=_number(data.get("attempt")),
        path=path,
        together=_number(data.get("events")),
        fields=fields,
        matches=matches(fields),
        low_match=data.get("low_match") is True,
        curl=curl(upstream, path, fields),
    )


def _answer(step: Step) -> Answer:
    data = step.data
    status, latency = data.get("status"), data.get("latency_ms")
    outcome = _text(data.get("outcome"))
    return Answer(
        at_ms=step.at_ms,
        outcome=outcome,
        reason=answer_reason(outcome),
        status=status if isinstance(status, int) else None,
        message=_text(data.get("message")),
        latency_ms=float(latency) if isinstance(latency, int | float) else None,
    )


def _stages(step: Step) -> list[Stage]:
    match step.stage:
        case "received":
            return _came_in(step)
        case "queued":
            return _queued(step)
        case "sent":
            return [_stage(step, "Sent to Snap", "info", _sent_words(step))]
        case "answered":
            reason = answer_reason(_text(step.data.get("outcome")))
            text = f"{_heard(step)} {reason.means}"
            return [_stage(step, f"Snap: {reason.label}", reason.tone, text, reason.cure)]
        case _:
            return [_end(step)]


def _came_in(step: Step) -> list[Stage]:
    event = step.data.get("event")
    came = f"“{step.name}” came in at the source {step.source}"
    consent = _stage(step, "Consent", "info", _consent_words(step))
    if event is None:  # it goes nowhere, so nothing was made of it
        names = step.data.get("properties")
        listed = ", ".join(map(str, names)) if isinstance(names, list) else ""
        facts = (("Properties", listed),) if listed else ()
        return [_stage(step, "Received", "info", f"{came}.", facts=facts), consent]
    has = [label for label, there in matches(_object(event)) if there]
    known = f"Known by {_listed(has)}." if has else "Nothing is known by which Snap could match."
    how = _text(step.data.get("identity"))
    return [
        _stage(step, "Received", "info", f"{came}, and was hashed."),
        _stage(step, "Identity", "info", known, facts=(("How", how),) if how else ()),
        consent,
    ]


def _consent_words(step: Step) -> str:
    why = _text(step.data.get("consent"))
    said = "not allowed" if step.data.get("allowed") is False else "allowed"
    return f"Advertising is {said}: {why}." if why else f"Advertising is {said}."


def _queued(step: Step) -> list[Stage]:
    rule = rule_words(_text(step.data.get("rule")))
    mapped = f"It is Snap's {step.name}, {rule}." if rule else f"It is Snap's {step.name}."
    return [
        _stage(step, "Mapped", "info", mapped),
        _stage(step, "Queued", "info", f"It is on disk, for {_to(step)}."),
    ]


def _end(step: Step) -> Stage:
    """A drop, a rejection, a duplicate or a dead letter, in words, with Snap's or our own."""
    reason = reason_of(outcome_of(step))
    own = _text(step.data.get("message")) or _text(step.data.get("reason"))
    detail = own if step.stage in ("rejected", "dead") else ""
    titles = {"dropped": "Dropped", "rejected": "Rejected", "duplicate": "Duplicate"}
    kind = "Dead letter" if step.integration else "Rejected"
    title = kind if step.stage in ("rejected", "dead") else titles[step.stage]
    label = "" if reason.label == title else f": {reason.label}"
    facts = (("Detail", detail),) if detail else ()
    return _stage(step, f"{title}{label}", reason.tone, reason.means, reason.cure, facts)


def _stage(
    step: Step,
    title: str,
    tone: Tone,
    text: str,
    cure: str = "",
    facts: tuple[tuple[str, str], ...] = (),
) -> Stage:
    return Stage(
        at_ms=step.at_ms,
        title=title,
        tone=tone,
        text=text,
        cure=cure,
        integration=_to(step),
        facts=facts,
    )


def _sent_words(step: Step) -> str:
    attempt, together = _number(step.data.get("attempt")), _number(step.data.get("events"))
    with_others = f", together with {together - 1} others" if together > 2 else ""
    with_others = ", together with another one" if together == 2 else with_others
    return f"Attempt {attempt} to {_text(step.data.get('path'))}{with_others}."


def _heard(step: Step) -> str:
    status, latency = step.data.get("status"), step.data.get("latency_ms")
    heard = "Nothing was heard" if status is None else f"HTTP {status}"
    return f"{heard} after {latency} ms." if isinstance(latency, int | float) else f"{heard}."


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _to(step: Step) -> str:
    """The integration; the door tells it among a step's data."""
    return step.integration or _text(step.data.get("integration"))


def _object(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
