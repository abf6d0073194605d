"""Pages and forms as rows, and how they become HTML.

A page shows what its JSON twin answers; a form changes something and leads to a page.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import msgspec

from edgeproxy import __version__
from edgeproxy.admin import figures
from edgeproxy.web.asgi import Header
from edgeproxy.web.assets import Asset, load
from edgeproxy.web.endpoint import Call, Role

Load = Callable[[Call], Awaitable[Any]]
"""Gives the value that the template gets as `data`. Raises Refused."""

MENU = ("Overview", "Events", "Match quality", "Dead letters", "Alerts", "Integrations", "Privacy")
"""The order of the menu; a page whose `menu` is one of these stands there."""

STATIC = (
    "dashboard/dashboard.css",
    "dashboard/dashboard.js",
    "dashboard/events.js",
    "vendor/htmx/htmx.min.js",
    "vendor/uplot/uPlot.iife.min.js",
    "vendor/uplot/uPlot.min.css",
)
"""The files that pages may ask for."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page.

    Args:
        path: "/events/{event_id}".
        title: Its headline and the window's title.
        template: Its file.
        load: What it shows; its JSON twin's function.
        query: The struct that the query must be; None takes none.
        menu: The entry of `MENU` that is lit, "" for none.
        role: Who may see it.
        twin: The path of its JSON twin.
    """

    path: str
    title: str
    template: str
    load: Load
    query: Any = None
    menu: str = ""
    role: Role = "viewer"
    twin: str = ""

    @property
    def method(self) -> str:
        """Pages change nothing."""
        return "GET"


class Go(msgspec.Struct, frozen=True, kw_only=True):
    """Where a form leads, and what is said there. `to` is a path of ours."""

    to: str
    say: str = ""
    headers: tuple[Header, ...] = ()


class Show(msgspec.Struct, frozen=True, kw_only=True):
    """What a form shows at once and never again, such as a new token."""

    title: str
    template: str
    data: Any = None
    menu: str = ""
    status: int = 200


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One form.

    Args:
        path: Where it is posted to.
        form: The struct that its fields must be.
        handle: Called with the struct as `body`; gives `Go` or `Show`. Raises Refused.
        role: Who may send it.
        back: The path of the page it stands on, which is shown again with what was wrong; names in
            braces are filled from the action's path. "" shows a page with the fault alone.
    """

    path: str
    form: Any
    handle: Callable[[Call], Awaitable[Go | Show]]
    role: Role = "admin"
    back: str = ""

    @property
    def method(self) -> str:
        """Forms change something."""
        return "POST"


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What surrounds every page: the menu, what to tell, and what was wrong with a form."""

    title: str
    menu: str = ""
    say: str = ""
    faults: tuple[tuple[str, str], ...] = ()
    given: Mapping[str, str] = {}
    twin: str = ""
    menu_pages: tuple[Page, ...] = ()

    def fault(self, name: str) -> str:
        """What is wrong with a field, "" for nothing."""
        return next((text for field, text in self.faults if field == name), "")


def menu_of(pages: Sequence[Page]) -> tuple[Page, ...]:
    """The pages that the menu leads to, in its order; of several of one entry the first."""
    found: dict[str, Page] = {}
    for page in pages:
        if page.menu and "{" not in page.path:
            found.setdefault(page.menu, page)
    return tuple(found[entry] for entry in MENU if entry in found)


def html(template: str, frame: Frame, call: Call, data: Any) -> bytes:
    """A page."""
    context = {"frame": frame, "call": call, "who": call.who, "data": data, "csrf": call.csrf}
    return _environment().get_template(template).render(context).encode()


@cache
def files() -> dict[str, Asset]:
    """Path → file; the path has the file's hash, so that browsers may keep it for ever."""
    return {asset_path(name): _asset(name) for name in STATIC}


@cache
def asset_path(name: str) -> str:
    """The path of one of `STATIC`."""
    stem, _, kind = name.rpartition("/")[2].rpartition(".")
    return f"/static/{stem}.{_asset(name).hash}.{kind}"


@cache
def _asset(name: str) -> Asset:
    return load(name)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(asset=asset_path, version=__version__)
    environment.filters.update(
        number=figures.number,
        short=figures.short,
        percent=figures.percent,
        ms=figures.duration,
        bytes=figures.size,
        iso=iso,
        clock=clock,
        ago=figures.ago,
        capfirst=lambda text: text[:1].upper() + text[1:],
    )
    return environment


def iso(at_ms: int) -> str:
    """An instant for `<time datetime>`: "2026-01-31T12:00:00Z"."""
    return _instant(at_ms).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(at_ms: int) -> str:
    """An instant for people: "31 Jan 12:00:00 UTC"."""
    return _instant(at_ms).strftime("%d %b %H:%M:%S UTC").removeprefix("0")


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(min(max(at_ms, 0), 253_402_300_799_000) / 1000, UTC)
