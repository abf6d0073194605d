"""Whoever is always slower hears of it, instead of trying for ever."""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edgeproxy.store.office import Office
from tests.admin_calls import Caller, calling


class Rivalry:
    """An office in which somebody else changes a record just before everybody's change of it."""

    def __init__(self, office: Office, times: int) -> None:
        self._office = office
        self._times = times

    async def put(self, kind: str, id: str, body: bytes | None, **more: Any) -> int:
        record = await self._office.record(kind, id)
        if record is not None and self._times:
            self._times -= 1
            await self._office.put(kind, id, record.body)
        return await self._office.put(kind, id, body, **more)

    def __getattr__(self, name: str) -> object:
        return getattr(self._office, name)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Caller]:
    async with calling(tmp_path) as caller:
        await caller.call("POST", "/v1/admin/sources", {"id": "shop"})
        yield caller


def contested(api: Caller, times: int) -> None:
    office: Any = Rivalry(api.store.office, times)
    api.state = dataclasses.replace(api.state, office=office)


async def test_a_change_is_made_on_top_of_somebody_elses(api: Caller) -> None:
    contested(api, 2)
    changed = await api.call("PATCH", "/v1/admin/sources/shop", {"click_id_days": 3})
    assert (changed.status, changed.body["version"]) == (200, 4)
    contested(api, 1)
    assert (await api.call("DELETE", "/v1/admin/sources/shop")).status == 200


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_after_some_tries_the_caller_is_told(api: Caller, method: str) -> None:
    contested(api, 99)
    answer = await api.call(method, "/v1/admin/sources/shop", {})
    assert (answer.status, answer.body["code"]) == (409, "conflict")


async def test_who_named_a_version_is_told_at_once(api: Caller) -> None:
    contested(api, 1)
    answer = await api.call("PATCH", "/v1/admin/sources/shop", {}, if_match="1")
    assert answer.status == 412


async def test_a_desk_without_snaps_log_says_so(api: Caller) -> None:
    config = {"pixel_id": "p", "access_token": "t"}
    await api.call("POST", "/v1/admin/integrations", {"source_id": "shop", "config": config})
    api.state = dataclasses.replace(api.state, snap_logs=None)
    answer = await api.call("GET", "/v1/admin/integrations/shop-p/snap")
    assert answer.body["message"] == "Snap's log is not asked for here"
