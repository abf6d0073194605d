"""What the tag costs the page: time of Chromium's main thread, from its own trace."""

import json
import shutil
import statistics
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from playwright.sync_api import Browser

from tests.browser.played import chromium_itself
from tests.browser.site import Stage, staged

LOADS = 15
"""Each on a host of its own, so that nothing of the script is in a cache, compiled or not."""

SLOWER = (1, 4)
"""How many times slower than this machine; 4 is what Chromium's tools take for a cheap phone."""

_CATEGORIES = ["devtools.timeline"]

_EVENT = """() => void setTimeout(function measured() {
  edge.track('Product Viewed', {product_id: 'SKU-A', price: 49.99, currency: 'USD'})
})"""


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """Main thread taken from the page: wall clock, and what of it was computing, not waiting."""

    wall_ms: float
    busy_ms: float


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What one page load and one event cost.

    Attributes:
        load: Compiling and running the script, until it gives the thread back.
        view: Sending the page view and hearing of it, later.
        call: A call of `track`, until it returns to the page.
        event: Sending that event and hearing of it, later.
    """

    load: Spent
    view: Spent
    call: Spent
    event: Spent


def available() -> bool:
    """Whether Chromium is on this machine."""
    return shutil.which("chromium") is not None


def run() -> None:
    """Measure, and print medians and the worst."""
    with (
        tempfile.TemporaryDirectory() as name,
        staged(Path(name)) as stage,
        chromium_itself() as browser,
    ):
        for slower in SLOWER:
            _show(slower, [_measured(browser, stage, slower) for _ in range(LOADS)])


def _show(slower: int, costs: list[Cost]) -> None:
    speed = "this machine" if slower == 1 else f"{slower} times slower"
    print(f"\ntag_cost, {speed}, {len(costs)} loads: main thread, medians (worst)")
    for field, what in (
        ("load", "load the tag"),
        ("view", "send the page view"),
        ("call", "call track"),
        ("event", "send the event"),
    ):
        spent: list[Spent] = [getattr(cost, field) for cost in costs]
        wall, busy = ([getattr(one, kind) for one in spent] for kind in ("wall_ms", "busy_ms"))
        print(
            f"  {what:<20} {statistics.median(busy):6.2f} ms busy ({max(busy):.2f}),"
            f" {statistics.median(wall):6.2f} ms in all ({max(wall):.2f})"
        )


def _measured(browser: Browser, stage: Stage, slower: int) -> Cost:
    """One page load and one event, both until Snap has them."""
    site = stage.site("implied")
    context = browser.new_context()
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    browser.start_tracing(page=page, categories=_CATEGORIES)
    page.goto(site.url("/next"))
    site.arrived("PAGE_VIEW")
    page.evaluate(_EVENT)
    site.arrived("VIEW_CONTENT")
    page.wait_for_function("localStorage.length === 0")  # the tag has heard of it
    trace = json.loads(browser.stop_tracing())["traceEvents"]
    context.close()
    return _read(trace, f"{site.edge}/s.js")


def _read(trace: list[dict[str, Any]], script: str) -> Cost:
    """The tag's parts of a trace."""
    spans = sorted((one for one in trace if one.get("ph") == "X"), key=lambda one: one["ts"])
    [load] = [one for one in spans if one["name"] == "EvaluateScript" and _url(one) == script]
    [call] = [one for one in spans if _data(one).get("functionName") == "measured"]
    ours = [
        one
        for one in spans
        if (one["pid"], one["tid"]) == (load["pid"], load["tid"])
        and one["ts"] > load["ts"] + load["dur"]
        and ((one["name"] == "FunctionCall" and _url(one) == script) or _is_answer(one))
        and not _within(one, call)
    ]
    return Cost(
        load=_spent([load]),
        view=_spent(one for one in ours if one["ts"] < call["ts"]),
        call=_spent([call]),
        event=_spent(one for one in ours if one["ts"] > call["ts"]),
    )


def _is_answer(span: dict[str, Any]) -> bool:
    """What runs when a promise is kept; the page has no others than the tag's."""
    return bool(span["name"] == "RunMicrotasks")


def _within(span: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(other["ts"] <= span["ts"] <= other["ts"] + other["dur"])


def _spent(spans: Iterable[dict[str, Any]]) -> Spent:
    """The time of spans in order, µs made ms; what lies inside another is a part of it."""
    wall_us, busy_us, end = 0, 0, 0
    for span in spans:
        if span["ts"] >= end:
            end = span["ts"] + span["dur"]
            wall_us += span["dur"]
            busy_us += span.get("tdur", 0)
    return Spent(wall_ms=wall_us / 1000, busy_ms=busy_us / 1000)


def _data(span: dict[str, Any]) -> dict[str, Any]:
    data = span.get("args", {}).get("data")
    return data if isinstance(data, dict) else {}


def _url(span: dict[str, Any]) -> str:
    return str(_data(span).get("url", ""))
