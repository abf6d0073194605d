"""Every fate of an event in plain words: what it means, and what a person can do about it. Pure.

The one table behind the debugger's sentences. Tests hold it complete: each reason to drop, each
code of a rejection, each reason of a dead letter, and each way in which Snap may answer.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

Tone = Literal["good", "warn", "bad", "info", "muted"]
"""How much it wants a person's eye."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One fate.

    Attributes:
        label: It in a few words.
        tone: Whether that is good.
        means: It in a sentence.
        cure: What to do; "" when there is nothing to do.
        page: The path of the dashboard's page where it is done, if there is one.
    """

    label: str
    tone: Tone
    means: str
    cure: str = ""
    page: str = ""


def _as(tone: Tone, label: str, means: str, cure: str = "", page: str = "") -> Reason:
    return Reason(label=label, tone=tone, means=means, cure=cure, page=page)


STATES: Mapping[str, Reason] = {
    "waiting": _as(
        "info",
        "Waiting",
        "It is on disk and has not been sent yet.",
        "Nothing, for some seconds; if it lasts, see on the overview whether the integration is "
        "paused, switched off or behind.",
        "/",
    ),
    "retry": _as(
        "warn",
        "Tries again",
        "Snap did not take it this time; it stays on disk and is sent again.",
        "Snap's answer says whether anything has to be done.",
    ),
    "delivered": _as("good", "Delivered", "Snap has accepted it."),
    "duplicate": _as(
        "muted",
        "Duplicate",
        "The same event came in before: it is stored once and sent once.",
        "Nothing; if two different events share an id, give each its own.",
    ),
}
"""Outcomes without a reason."""

DROPS: Mapping[str, Reason] = {
    "no_consent": _as(
        "muted",
        "No consent",
        "The visitor has not agreed to advertising, or has refused it: nothing was stored or sent.",
        "Nothing, when that is the visitor's choice. When visitors do agree, see that the consent "
        "banner tells the tag: edge.push(['consent', {ad: true}]).",
    ),
    "gpc": _as(
        "muted",
        "Privacy signal",
        "The browser sends Global Privacy Control, which is a refusal: nothing was stored or sent.",
        "Nothing: it is the visitor's choice, and it outweighs the banner.",
    ),
    "bot": _as(
        "muted",
        "Robot",
        "The user agent is a program's and no person's, so Snap need not hear of it.",
        "Nothing. To test, use a browser that names itself as one: headless ones do not.",
    ),
    "prefetch": _as(
        "muted",
        "Prefetch",
        "The browser fetched the page ahead of any visit; nobody has seen it.",
        "Nothing: it counts when the page is really opened.",
    ),
    "unmapped": _as(
        "warn",
        "No mapping",
        "No integration of the source wants an event of this name, so it goes nowhere.",
        "If Snap should have it, map the name in the integration, or let it send unknown names "
        "(unknown_events). Compare the spelling with the supported names, and see that the "
        "integration is switched on.",
        "/integrations",
    ),
    "internal": _as(
        "muted",
        "Used here",
        "It tells the proxy something (who the visitor is, a choice, a session) and is no event "
        "for Snap.",
        "Nothing: later events of the visitor carry what it said.",
    ),
}
"""Reason of `dropped:<reason>` → words."""

REJECTS: Mapping[str, Reason] = {
    "bad_number": _as(
        "bad",
        "Bad number",
        "An amount is negative or larger than 1e12, or the id is a number of more than 64 bits.",
        "Send amounts in the currency's main unit, such as 129.99, and long ids as texts.",
    ),
    "bad_time": _as(
        "bad",
        "Bad time",
        "The event's time cannot be read, or names no zone.",
        "Send Unix milliseconds or seconds, or ISO 8601 that ends with Z or an offset; or leave it "
        "out, and the moment of its arrival counts.",
    ),
    "bad_type": _as(
        "bad",
        "Unknown type",
        "The call says a type that is none of track, page, screen, identify, group and alias.",
        "Send one of these types, in lower case.",
    ),
    "control_character": _as(
        "bad",
        "Control character",
        "A text holds a character that is not for print.",
        "Remove line breaks and control characters from names, ids and values.",
    ),
    "no_name": _as("bad", "No name", "The event's name is empty.", "Give the event a name."),
    "personal_name": _as(
        "bad",
        "Personal name",
        "The event's name holds an e-mail address; names are shown and sent as they are.",
        "Name events by what happened, and say who it was in identify, where it is hashed.",
    ),
    "too_deep": _as(
        "bad",
        "Nested too deeply",
        "The event's properties lie deeper in each other than is read.",
        "Send properties flat; only products are a list of objects.",
    ),
    "too_large": _as(
        "bad",
        "Too large",
        "The event has more bytes than one event may have.",
        "Send only the properties that Snap uses, not whole pages or objects.",
    ),
    "too_long": _as(
        "bad",
        "Too long",
        "A name, an id or another text of the event is longer than is read.",
        "Shorten it; long texts are no use to Snap.",
    ),
    "too_many_products": _as(
        "bad",
        "Too many products",
        "A list in the event has more entries than one order may have.",
        "Send the lines of one cart or order, not of a whole catalogue.",
    ),
    "too_old": _as(
        "bad",
        "Too old",
        "The event happened longer ago than Snap takes events.",
        "Send events as they happen; Snap takes those of web and app for 7 days, of shops for 37.",
    ),
    "unreadable": _as(
        "bad",
        "Unreadable",
        "The event is no JSON object of the shape that is expected.",
        "Compare it with the example of the API description, field by field.",
    ),
}
"""Code of `rejected:<code>` → words."""

DEAD: Mapping[str, Reason] = {
    "rejected": _as(
        "bad",
        "Refused by Snap",
        "Snap refuses this event for good, and says why in its answer.",
        "Correct what Snap names, at the caller or in the mapping, then replay it from the dead "
        "letters.",
        "/dead",
    ),
    "too_large": _as(
        "bad",
        "Too large for Snap",
        "Snap finds the event too large even when it is sent alone.",
        "Send fewer properties and products, then discard it.",
        "/dead",
    ),
    "expired": _as(
        "bad",
        "Expired",
        "It waited until it was older than Snap takes events.",
        "See what kept it: a pause, a wrong token, a long outage. It cannot be sent any more; "
        "discard it.",
        "/dead",
    ),
    "ambiguous_200": _as(
        "bad",
        "No clear yes",
        "Snap answered 200 and again and again neither yes nor no, so nobody knows whether it "
        "counted.",
        "See whether something between here and Snap answers in its place, then replay it: Snap "
        "collapses it by its id if it has it already.",
        "/dead",
    ),
    "missing_price": _as(
        "bad",
        "No price",
        "A purchase needs price and currency, and it has not both.",
        "Send value (or total) and currency with every purchase. This one lacks them for good; "
        "discard it.",
        "/dead",
    ),
    "no_identifier": _as(
        "bad",
        "Matches nobody",
        "It has nothing by which Snap could match it to a person.",
        "Send the visitor's id, click id, e-mail or phone with it; identify does it for all later "
        "events.",
        "/dead",
    ),
    "unrenderable": _as(
        "bad",
        "Cannot be written",
        "The stored event cannot be put into Snap's form.",
        "An app event needs snap_app_id and app_id in the integration: add them, then replay it. "
        "If it is another one, report it with the words beside it.",
        "/dead",
    ),
    "integration_removed": _as(
        "bad",
        "No integration",
        "Its integration was removed, and did not come back within a day.",
        "Add the integration again with the same id, then replay it; or discard it.",
        "/dead",
    ),
}
"""Reason of `dead:<reason>` → words."""

ANSWERS: Mapping[str, Reason] = {
    "delivered": STATES["delivered"],
    "partial": _as(
        "warn",
        "Partly taken",
        "Snap took some events of the request and refused others; this one is sent again.",
    ),
    "rejected": _as(
        "bad",
        "Refused",
        "Snap refuses the event or its whole request; of several events each is then sent alone.",
        "Correct what Snap names.",
    ),
    "paused_auth": _as(
        "warn",
        "Integration paused",
        "Snap does not accept the access token or the pixel, so the integration is paused and its "
        "events wait.",
        "Correct the token or the pixel id of the integration; nothing is lost, and everything "
        "goes out as soon as Snap takes one.",
        "/integrations",
    ),
    "too_large": _as(
        "warn",
        "Request too large",
        "Snap found the request too large; its events are sent again in smaller ones.",
    ),
    "rate_limited": _as(
        "warn",
        "Asked to wait",
        "Snap asked for a pause (429); the event waits as long as Snap says.",
        "Nothing; if it happens often, lower rate_limit_rps of the integration.",
    ),
    "transient": _as(
        "warn",
        "Not now",
        "Snap could not be reached, or had a fault of its own; the event is sent again.",
        "Nothing, when it passes. If it lasts, see whether this machine reaches tr.snapchat.com.",
    ),
    "ambiguous": _as(
        "warn",
        "No clear answer",
        "The answer says neither yes nor no; the event is sent again, and Snap collapses it by its "
        "id if it counted already.",
    ),
}
"""How Snap answered about an event (`AnswerClass`) → words."""

_KINDS = {"dropped": DROPS, "rejected": REJECTS, "dead": DEAD}
_UNKNOWN: Mapping[str, Reason] = {
    "dropped": _as("muted", "Dropped", "It was not wanted, and is counted only."),
    "rejected": _as("bad", "Unusable", "The event cannot be used as it was sent."),
    "dead": _as(
        "bad",
        "Dead letter",
        "It was not taken and is kept.",
        "See the dead letters; it can be replayed or discarded there.",
    ),
    "": _as("muted", "Unknown", "Nothing more is known about it."),
}
"""For reasons of another version."""


def reason_of(outcome: str) -> Reason:
    """The words for the outcome of a trace, such as "delivered" or "dropped:bot"; never raises."""
    kind, _, code = outcome.partition(":")
    if kind in _KINDS:
        return _KINDS[kind].get(code, _UNKNOWN[kind])
    return STATES.get(kind, _UNKNOWN[""])


def answer_reason(outcome: str) -> Reason:
    """The words for the way in which Snap answered about an event; never raises."""
    return ANSWERS.get(outcome, _UNKNOWN[""])


RULES: Mapping[str, str] = {
    "own mapping": "by the integration's own mapping",
    "catalogue": "by the built-in list of names",
    "page call": "because every page call is a page view",
    "internal": "because the proxy itself uses it",
    "unknown: drop": "because unknown names are dropped",
    "unknown: uppercase": "because the integration sends unknown names in upper case",
}
"""Rule that decided on Snap's name → words that follow it."""


def rule_words(rule: str) -> str:
    """Why an event got its name; "" when that is not known."""
    fallback = "because the integration sends unknown names under this one" if rule else ""
    return RULES.get(rule, fallback)
