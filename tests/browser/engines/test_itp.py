"""WebKit's tracking prevention cuts what a script writes and leaves alone what the edge sets.

This shows the cap on scripts and its cure. It does not show Safari's caps by address and by CNAME,
which are in Apple's network layer.
"""

import time
from pathlib import Path

import pytest

from tests.browser.engine import Cookie, lacking
from tests.browser.site import Stage
from tests.browser.webkit import mini_browser, read_jar, with_tracking_prevention
from tests.until import until

pytestmark = pytest.mark.browser

ENGINE = "WebKitGTK"

ASKED_DAYS = 395
CAPPED_DAYS = 7


@pytest.fixture(autouse=True)
def _browser() -> None:
    with lacking():
        mini_browser()


def days(jar: dict[str, Cookie]) -> dict[str, int]:
    """How many days each cookie has left, rounded."""
    now_s = time.time()  # noqa: TID251 - a test is a caller with a clock
    return {name: round((cookie.expires_s - now_s) / 86_400) for name, cookie in jar.items()}


def after_a_visit(stage: Stage, jar: Path, expected: dict[str, int], *, on: bool) -> None:
    """Let WebKit visit a page and wait until its jar is as expected."""
    site = stage.site("implied")
    with with_tracking_prevention(site.url("/prevented?ScCid=click-itp"), jar, on=on):
        event = site.arrived("PAGE_VIEW")
        found = "WebKit's jar is as expected"
        until(lambda: days(read_jar(jar)) == expected, found, within_s=20)
    # Not another one: the visitor is who Snap's pixel said.
    assert read_jar(jar)["_scid"].value == event["uuid_c1"]
    assert event["click_id"] == "click-itp"


def test_webkit_cuts_a_script_cookie_to_a_week_and_ours_keep_their_life(
    stage: Stage, tmp_path: Path
) -> None:
    """`_scid` was a script's too, until the edge set the same value again."""
    expected = {"by_script": CAPPED_DAYS, "_scid": ASKED_DAYS, "edge": ASKED_DAYS, "_scclid": 90}
    after_a_visit(stage, tmp_path / "jar.db", expected, on=True)


def test_without_tracking_prevention_webkit_cuts_nothing(stage: Stage, tmp_path: Path) -> None:
    """The control: the cut above is the prevention's doing."""
    expected = {"by_script": ASKED_DAYS, "_scid": ASKED_DAYS, "edge": ASKED_DAYS, "_scclid": 90}
    after_a_visit(stage, tmp_path / "jar.db", expected, on=False)
