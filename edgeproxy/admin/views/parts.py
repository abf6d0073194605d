"""What the pages of sources and integrations share: paths, versions, and what a form changes."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from edgeproxy.admin.state import AdminState
from edgeproxy.errors import Refused
from edgeproxy.settings import Settings
from edgeproxy.web.endpoint import Call

_NEW = "new"

CHANGED = "changed_meanwhile"
"""The code of a change that began from an older version."""


class Clash(msgspec.Struct, frozen=True, kw_only=True):
    """One field that somebody else changed meanwhile: what was typed, and what stands there now."""

    label: str
    mine: str
    now: str


class Versioned(msgspec.Struct, frozen=True, kw_only=True):
    """A form that changes what its page showed, or nothing."""

    version: int = 0


def place(kind: str, id: str, below: str = "") -> str:
    """The path of one thing's page; one called "new" is escaped, or it would be the form's."""
    name = "%6Eew" if id == _NEW else quote(id, safe="")
    return f"/{kind}/{name}{below}"


def defined_in(settings: Settings, source: str) -> str:
    """Where the configuration defines a source: a file's path, or "the environment"."""
    ids = [one.id for one in settings.sources]
    if source not in ids:
        return "the configuration"
    mine = f"sources[{ids.index(source)}]."
    found = [origin for name, origin in settings.where.items() if name.startswith(mine)]
    return next((one for one in found if "/" in one), "the environment")


def asked(call: Call, body: Any, version: int | None = None) -> Call:
    """The call as the API gets it: another body, and the version that the page showed."""
    if version is None:
        return msgspec.structs.replace(call, body=body)
    headers = {**call.headers, b"if-match": b'"%d"' % version}
    return msgspec.structs.replace(call, body=body, headers=headers)


def for_people(refused: Refused) -> Refused:
    """A refusal without the words of HTTP."""
    if refused.code != CHANGED:
        return refused
    sentence = "somebody else changed it meanwhile; below is how it stands now"
    return Refused(CHANGED, sentence, status=412)


def number(text: str) -> object:
    """A number if it is one; else the text, which the rules then refuse by its field's name."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def difference(wanted: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """What a form asks to change; nothing typed goes back to the default."""
    return {
        name: None if value in ("", [], {}) else value
        for name, value in wanted.items()
        if value != now[name]
    }


def said(value: Any) -> str:
    """A value in a sentence."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value) or "nothing"
    return str(value) if value not in (None, "") else "nothing"


def clashes(
    wanted: Mapping[str, Any], now: Mapping[str, Any], labels: Mapping[str, str]
) -> tuple[Clash, ...]:
    """The fields that were typed differently from what stands there now."""
    return tuple(
        Clash(label=labels[name], mine=said(value), now=said(now[name]))
        for name, value in wanted.items()
        if value != now[name]
    )


def now_ms(call: Call) -> int:
    """The wall clock, Unix ms."""
    state: AdminState = call.state
    return state.now_ms()
