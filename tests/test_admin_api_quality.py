"""The match-quality estimate over HTTP."""

import dataclasses
from pathlib import Path

from edgeproxy.quality import DAY_MS
from edgeproxy.settings import Settings, Weights
from edgeproxy.sites import Source
from tests.admin_http import admin
from tests.counted import Counting, bucket, cover
from tests.fakes import START_MS, integration

SITE = Source(id="shop", integrations=(integration(id="shop-1"), integration(id="shop-2")))
COUNTS = (
    *cover({("PURCHASE", "sivt"): 9}, at_ms=START_MS, integration="shop-1"),
    *cover({("PURCHASE", "esivt"): 1}, at_ms=START_MS - 6 * DAY_MS, integration="shop-2"),
    *cover({("PURCHASE", ""): 99}, at_ms=START_MS - 7 * DAY_MS, integration="shop-1"),
    bucket("low", "shop-1", n=2, at_ms=START_MS),
)


async def test_seven_days_are_judged_and_labelled_as_our_estimate(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE, journal=Counting(*COUNTS)) as visitor:
        said = (await visitor.get("/v1/admin/match-quality")).json()
        alone = (await visitor.get("/v1/admin/match-quality?integration=shop-2")).json()

    assert (said["events"], said["low_match"], len(said["days"])) == (10, 2, 7)
    assert "estimate" in said["note"]
    assert said["actions"][0]["name"] == "email"
    assert 0 < said["score"] < alone["score"]
    assert alone["events"] == 1


async def test_the_weights_are_those_of_the_settings(tmp_path: Path) -> None:
    heavy = dataclasses.replace(Settings(), weights=Weights(scid=100))
    async with admin(tmp_path, SITE, journal=Counting(*COUNTS), settings=heavy) as visitor:
        said = (await visitor.get("/v1/admin/match-quality")).json()

    assert said["weights"]["scid"] == 100
    assert said["score"] == 100
