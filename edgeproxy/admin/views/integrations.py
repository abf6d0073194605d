"""The pages of integrations: all of them, one of them, and the way to a new one."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from edgeproxy.admin.api import connection, integrations
from edgeproxy.admin.api.integration_views import KnownIntegration
from edgeproxy.admin.pages import Action, Go, Page, Show
from edgeproxy.admin.state import AdminState
from edgeproxy.admin.views.integration_forms import (
    LABELS,
    LiveForm,
    NewForm,
    SettingsForm,
    TestForm,
    standing,
)
from edgeproxy.admin.views.integration_rows import Row, body_of, known_of, row, row_of
from edgeproxy.admin.views.login import Empty
from edgeproxy.admin.views.parts import (
    CHANGED,
    Clash,
    Versioned,
    asked,
    clashes,
    for_people,
    now_ms,
    place,
)
from edgeproxy.errors import Conflict, Refused
from edgeproxy.web.endpoint import Call

MENU = "Integrations"


class ListView(msgspec.Struct, frozen=True, kw_only=True):
    """What the page of all shows."""

    rows: tuple[Row, ...]
    sources: tuple[str, ...]
    now_ms: int


class OneView(msgspec.Struct, frozen=True, kw_only=True):
    """What the page of one shows. `clashes`: what was typed while somebody else changed it."""

    row: Row
    sources: tuple[str, ...]
    now_ms: int
    clashes: tuple[Clash, ...] = ()


class NewQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For which source."""

    source: str = ""


class NewView(msgspec.Struct, frozen=True, kw_only=True):
    """What the guided form needs."""

    sources: tuple[str, ...]
    source: str


async def show_all(call: Call) -> ListView:
    """All integrations."""
    state: AdminState = call.state
    found = await integrations.list_integrations(call)
    counts = {one.integration: one for one in await state.store.stats()}
    tests = await connection.last_tests(state)
    return ListView(
        rows=tuple(row(state, one, counts.get(one.id), tests.get(one.id)) for one in found),
        sources=tuple(state.registry.sources),
        now_ms=now_ms(call),
    )


async def show_one(call: Call) -> OneView:
    """One integration."""
    return await _view(call)


async def show_new(call: Call) -> NewView:
    """The guided form."""
    return NewView(sources=tuple(call.state.registry.sources), source=call.query.source)


async def make(call: Call) -> Go:
    """Make an integration that is off, and test its connection at once."""
    form: NewForm = call.body
    try:
        made = await integrations.make_integration(asked(call, form.document()))
    except Conflict as conflict:
        if conflict.code != "exists":
            raise
        raise Conflict("exists", "this site sends to this pixel already; change that") from None
    id = body_of(made).id
    await connection.test_integration(msgspec.structs.replace(call, path={"id": id}))
    return Go(to=place("integrations", id), say="Saved. It is off until you switch it on.")


async def change(call: Call) -> Go | Show:
    """Change settings; what needs another connection test gets it at once."""
    form: SettingsForm = call.body
    known = await known_of(call)
    patch = form.patch(known)
    here = place("integrations", known.id)
    if not patch and form.version == known.version:
        return Go(to=here, say="Nothing was changed.")
    try:
        done = await integrations.change_integration(asked(call, patch, form.version))
    except Refused as refused:
        if refused.code != CHANGED:
            raise
        return await _clash(call, form, known)
    if _asks_snap(patch):
        call.state.wake(known.id)
        await connection.test_integration(call)
    return Go(to=here, say=f"Saved: {_named(patch, body_of(done))}.")


async def switch(call: Call) -> Go:
    """The Live switch."""
    form: LiveForm = call.body
    body = {"enabled": form.enabled}
    try:
        await integrations.change_integration(asked(call, body, form.version))
    except Refused as refused:
        raise for_people(refused) from None
    call.state.wake(call.path["id"])
    said = (
        "It is live: events go to Snap from now on."
        if form.enabled
        else "It is off: it takes no new events, and what waits is kept."
    )
    return Go(to=place("integrations", call.path["id"]), say=said)


async def pause(call: Call) -> Go:
    """Close its gate."""
    await integrations.pause_integration(call)
    return Go(to=_here(call), say="It is paused. Events are taken and wait.")


async def resume(call: Call) -> Go:
    """Open its gate."""
    await integrations.resume_integration(call)
    return Go(to=_here(call), say="It goes on: what waits is sent now.")


async def test(call: Call) -> Go:
    """Send a test event; the page shows how it went."""
    form: TestForm = call.body
    await connection.test_integration(call)
    return Go(to=place("integrations", call.path["id"], "/snap" if form.back == "snap" else ""))


async def delete(call: Call) -> Go:
    """Delete it."""
    form: Versioned = call.body
    try:
        gone = await integrations.delete_integration(asked(call, None, form.version))
    except Refused as refused:
        raise for_people(refused) from None
    return Go(to="/integrations", say=f"{gone.id} is deleted; {gone.message}.")


def _here(call: Call) -> str:
    return place("integrations", call.path["id"])


async def _view(call: Call, found: Sequence[Clash] = ()) -> OneView:
    return OneView(
        row=await row_of(call),
        sources=tuple(call.state.registry.sources),
        now_ms=now_ms(call),
        clashes=tuple(found),
    )


async def _clash(call: Call, form: SettingsForm, known: KnownIntegration) -> Show:
    """How it stands now, and beside it what was typed: nothing is overwritten unseen."""
    found = list(clashes(form.wanted(), standing(known), LABELS))
    if form.token:
        found.append(
            Clash(label="Access token", mine="a new one; type it again", now="the old one")
        )
    return Show(
        title="Integration",
        template="integration.html",
        data=await _view(call, found or [Clash(label="Settings", mine="as below", now="as below")]),
        menu=MENU,
        status=412,
    )


def _asks_snap(patch: Mapping[str, Any]) -> bool:
    """Whether a change makes the last connection test worthless."""
    return not {"pixel_id", "snap_app_id", "access_token", "api"}.isdisjoint(
        patch.get("config", ())
    )


def _named(patch: Mapping[str, Any], known: KnownIntegration) -> str:
    """What was changed, in words."""
    names = [LABELS[name] for name in patch if name in LABELS]
    names += [LABELS.get(f"config.{name}", "Access token") for name in patch.get("config", ())]
    return ", ".join(names) or known.id


_HREF = "/integrations/{id}"

PAGES = (
    Page(
        path="/integrations",
        title="Integrations",
        template="integrations.html",
        load=show_all,
        menu=MENU,
        twin="/v1/admin/integrations",
    ),
    Page(
        path="/integrations/new",
        title="New integration",
        template="integration_new.html",
        load=show_new,
        query=NewQuery,
        menu=MENU,
        role="admin",
    ),
    Page(
        path=_HREF,
        title="Integration",
        template="integration.html",
        load=show_one,
        menu=MENU,
        twin="/v1/admin/integrations/{id}",
    ),
)
ACTIONS = (
    Action(path="/integrations/new", form=NewForm, handle=make, back="/integrations/new"),
    Action(path=_HREF, form=SettingsForm, handle=change, back=_HREF),
    Action(path=f"{_HREF}/live", form=LiveForm, handle=switch, back=_HREF),
    Action(path=f"{_HREF}/pause", form=Empty, handle=pause, back=_HREF),
    Action(path=f"{_HREF}/resume", form=Empty, handle=resume, back=_HREF),
    Action(path=f"{_HREF}/test", form=TestForm, handle=test, back=_HREF),
    Action(path=f"{_HREF}/delete", form=Versioned, handle=delete, back=_HREF),
)
