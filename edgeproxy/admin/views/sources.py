"""The pages of sources: all of them, one of them with its keys and its snippet, and a new one."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from edgeproxy.admin.api import sources
from edgeproxy.admin.api.sources import KnownSource
from edgeproxy.admin.pages import Action, Go, Page, Show
from edgeproxy.admin.state import AdminState
from edgeproxy.admin.views.integration_forms import Typed
from edgeproxy.admin.views.integrations import MENU
from edgeproxy.admin.views.login import Empty
from edgeproxy.admin.views.parts import (
    CHANGED,
    Clash,
    Versioned,
    asked,
    clashes,
    defined_in,
    difference,
    for_people,
    number,
    place,
)
from edgeproxy.admin.views.source_paste import Paste, SourceQuery, guess, paste_of
from edgeproxy.errors import Conflict, Refused
from edgeproxy.roster.records import KEYS_MAX
from edgeproxy.web.endpoint import Call, Reply

LABELS: Mapping[str, str] = {
    "origins": "Origins",
    "cookie_domain": "Cookie domain",
    "consent": "Consent",
    "default_country": "Default country",
    "click_id_days": "Click id, days",
    "click_id_readable": "Click id for scripts",
}
"""Field → what people call it."""


class SourceForm(Versioned, frozen=True, kw_only=True):
    """A source's settings; a field that is not there stays what it is."""

    id: str = ""
    origins: Typed = msgspec.UNSET
    cookie_domain: Typed = msgspec.UNSET
    consent: Typed = msgspec.UNSET
    default_country: Typed = msgspec.UNSET
    click_id_days: Typed = msgspec.UNSET
    click_id_readable: Typed = msgspec.UNSET

    def wanted(self) -> dict[str, Any]:
        """Field → what shall stand there."""
        return {
            name: _value(name, text.strip())
            for name in LABELS
            if (text := getattr(self, name)) is not msgspec.UNSET
        }


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One source and its page; `defined_in` is "" when it was made here.

    `links` are its integrations with their pages.
    """

    known: KnownSource
    href: str
    links: tuple[tuple[str, str], ...]
    defined_in: str


class ListView(msgspec.Struct, frozen=True, kw_only=True):
    """What the page of all shows."""

    rows: tuple[Row, ...]


class OneView(msgspec.Struct, frozen=True, kw_only=True):
    """What the page of one shows. `clashes`: what was typed while somebody else changed it."""

    row: Row
    paste: Paste
    keys_max: int
    clashes: tuple[Clash, ...] = ()


class MadeView(msgspec.Struct, frozen=True, kw_only=True):
    """A new write key, shown this once."""

    key: sources.MadeKey
    source: str
    href: str
    endpoint: str


async def show_all(call: Call) -> ListView:
    """All sources."""
    found = await sources.list_sources(call)
    return ListView(rows=tuple(_row(call.state, one) for one in found))


async def show_one(call: Call) -> OneView:
    """One source."""
    return await _view(call, call.query)


async def show_new(call: Call) -> None:
    """The form of a new source needs nothing."""


async def make(call: Call) -> Go:
    """Make a source."""
    form: SourceForm = call.body
    given = {name: value for name, value in form.wanted().items() if value not in (None, "", [])}
    try:
        made = await sources.make_source(asked(call, {**given, "id": form.id.strip()}))
    except Conflict as conflict:
        if conflict.code != "exists":
            raise
        raise Conflict("exists", "there is a source of this name already") from None
    said = "The source is made. Send its events somewhere, then paste the tag."
    return Go(to=place("sources", _body(made).id), say=said)


async def change(call: Call) -> Go | Show:
    """Change settings."""
    form: SourceForm = call.body
    known = _body(await sources.get_source(call))
    patch = difference(form.wanted(), _standing(known))
    if not patch and form.version == known.version:
        return Go(to=_here(call), say="Nothing was changed.")
    try:
        await sources.change_source(asked(call, patch, form.version))
    except Refused as refused:
        if refused.code != CHANGED:
            raise
        found = clashes(form.wanted(), _standing(known), LABELS)
        return Show(
            title="Source",
            template="source.html",
            data=await _view(call, SourceQuery(), found or _NOTHING_TYPED),
            menu=MENU,
            status=412,
        )
    return Go(to=_here(call), say=f"Saved: {', '.join(LABELS[name] for name in patch)}.")


async def delete(call: Call) -> Go:
    """Delete it."""
    form: Versioned = call.body
    try:
        gone = await sources.delete_source(asked(call, None, form.version))
    except Refused as refused:
        raise for_people(refused) from None
    return Go(to="/sources", say=f"{gone.id} is deleted: {gone.message}.")


async def make_key(call: Call) -> Show:
    """A new write key, shown this once."""
    made = await sources.make_key(call)
    known = _body(await sources.get_source(call))
    view = MadeView(
        key=made, source=known.id, href=_here(call), endpoint=guess(call.state, known.origins)
    )
    return Show(title="New write key", template="source_key.html", data=view, menu=MENU)


async def revoke_key(call: Call) -> Go:
    """A write key's end."""
    await sources.revoke_key(call)
    return Go(to=_here(call), say="The write key is revoked: callers that use it get 401 now.")


def _body(reply: Reply) -> KnownSource:
    return cast(KnownSource, reply.body)


def _row(state: AdminState, known: KnownSource) -> Row:
    file = known.managed_by == "file"
    return Row(
        known=known,
        href=place("sources", known.id),
        links=tuple((id, place("integrations", id)) for id in known.integrations),
        defined_in=defined_in(state.settings, known.id) if file else "",
    )


def _here(call: Call) -> str:
    return place("sources", call.path["id"])


async def _view(call: Call, query: SourceQuery, found: Sequence[Clash] = ()) -> OneView:
    known = _body(await sources.get_source(call))
    return OneView(
        row=_row(call.state, known),
        paste=paste_of(call.state, known, query),
        keys_max=KEYS_MAX,
        clashes=tuple(found),
    )


def _standing(known: KnownSource) -> dict[str, Any]:
    """Field → what stands there now."""
    return {name: getattr(known, name) for name in LABELS} | {"origins": list(known.origins)}


def _value(name: str, text: str) -> Any:
    if name == "origins":
        return text.replace(",", " ").split()
    if name == "click_id_days":
        return number(text) if text else None
    return text == "true" if name == "click_id_readable" else text


_NOTHING_TYPED = (Clash(label="Settings", mine="as below", now="as below"),)
_HREF = "/sources/{id}"

PAGES = (
    Page(
        path="/sources",
        title="Sources",
        template="sources.html",
        load=show_all,
        menu=MENU,
        twin="/v1/admin/sources",
    ),
    Page(
        path="/sources/new",
        title="New source",
        template="source_new.html",
        load=show_new,
        menu=MENU,
        role="admin",
    ),
    Page(
        path=_HREF,
        title="Source",
        template="source.html",
        load=show_one,
        query=SourceQuery,
        menu=MENU,
        twin="/v1/admin/sources/{id}",
    ),
)
ACTIONS = (
    Action(path="/sources/new", form=SourceForm, handle=make, back="/sources/new"),
    Action(path=_HREF, form=SourceForm, handle=change, back=_HREF),
    Action(path=f"{_HREF}/delete", form=Versioned, handle=delete, back=_HREF),
    Action(path=f"{_HREF}/keys", form=Empty, handle=make_key, back=_HREF),
    Action(path=f"{_HREF}/keys/{{key}}/revoke", form=Empty, handle=revoke_key, back=_HREF),
)
