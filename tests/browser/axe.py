"""axe-core, which looks for what keeps people from using a page."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.edge import ROOT

SCRIPT = ROOT / "tests/tag/node_modules/axe-core/axe.min.js"
SERIOUS = ("serious", "critical")


def demand_axe() -> None:
    """Skip the test where axe-core is not installed."""
    if not SCRIPT.exists():
        pytest.skip("axe-core is not installed: npm ci --prefix tests/tag")


def serious_faults(page: Page) -> list[str]:
    """What axe finds on the open page: the rule and the first element. Needs `bypass_csp`."""
    page.evaluate(SCRIPT.read_text())
    found: list[dict[str, Any]] = page.evaluate("axe.run().then(found => found.violations)")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in SERIOUS
    ]
