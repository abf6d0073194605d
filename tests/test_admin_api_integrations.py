"""Integrations by API: the seed's call, tokens that are never shown, the gate, the test."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgeproxy.admin.api.integration_views import MASK
from edgeproxy.sites import Integration, Secret, Source
from edgeproxy.store.base import Gate
from tests import canary
from tests.admin_calls import Caller, both, calling
from tests.fakes import event, item, put

INTEGRATIONS = "/v1/admin/integrations"
PIXEL = "5a3e0c1d-7b2f-4c8e-9a6b-0d1e2f3a4b5c"
ID = "src_abc123-5a3e0c1d"
ONE = f"{INTEGRATIONS}/{ID}"
SEED: dict[str, Any] = {
    "source_id": "src_abc123",
    "vendor": "snapchat",
    "name": "Snapchat Conversions",
    "enabled": True,
    "config": {"pixel_id": PIXEL, "access_token": canary.TOKEN},
    "consent_categories": ["advertising"],
}
FILE = Source(
    id="file",
    integrations=(
        Integration(id="file-1", source="file", access_token=Secret("file-token"), pixel_id="p"),
    ),
)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Caller]:
    async with calling(tmp_path, FILE) as caller:
        yield caller


def changed(**config: Any) -> dict[str, Any]:
    return {**SEED, "config": {**SEED["config"], **config}}


async def test_the_seeds_call_works_on_a_fresh_install(tmp_path: Path) -> None:
    """No source was made before: the one that is named is made with it."""
    async with calling(tmp_path) as api:
        made = await api.call("POST", INTEGRATIONS, SEED)
        assert made.status == 201
        assert set(api.registry.sources) == {"src_abc123"}
        assert [one.id for one in api.registry.configured()] == [ID]
        assert await api.actions() == [("jane", "create", "src_abc123"), ("jane", "create", ID)]


async def test_an_integration_that_was_made_is_shown_without_its_token(api: Caller) -> None:
    made = await api.call("POST", INTEGRATIONS, SEED)
    assert made.status == 201
    assert made.headers == {b"etag": b'"1"', b"location": ONE.encode()}
    fingerprint = made.body["config"].pop("access_token_fingerprint")
    assert len(fingerprint) == 12
    assert made.body == {
        "id": ID,
        "source_id": "src_abc123",
        "vendor": "snapchat",
        "name": "Snapchat Conversions",
        "enabled": True,
        "config": {
            "pixel_id": PIXEL,
            "snap_app_id": "",
            "app_id": "",
            "access_token": MASK,
            "api": "v2",
            "privacy": "match",
            "limited_data_use": False,
            "rate_limit_rps": 50.0,
            "rate_limit_burst": 100,
            "rate_limit_per_minute": None,
            "batch_max": 500,
            "linger_ms": 250,
        },
        "consent_categories": ["advertising"],
        "events": {},
        "unknown_events": "drop",
        "gate": {"state": "open", "reason": "", "since_ms": 0},
        "managed_by": "api",
        "version": 1,
        "changed_ms": api.clock(),
        "faults": [],
    }


async def test_a_token_is_never_seen_again(api: Caller) -> None:
    """Neither in an answer nor in the audit log nor in the store's files; delivery has it."""
    seen = [(await api.call("POST", INTEGRATIONS, SEED)).body]
    seen.append((await api.call("PATCH", ONE, {"name": "x"})).body)
    seen += [(await api.call("GET", path)).body for path in (INTEGRATIONS, ONE)]
    seen.append((await api.call("DELETE", f"{INTEGRATIONS}/{ID}")).body)
    told = msgspec.json.encode([seen, await api.store.office.changes(), api.log.lines])
    assert not canary.leaks_in(told)
    assert not canary.leaks_in(api.written())


async def test_delivery_gets_the_token(api: Caller) -> None:
    await api.call("POST", INTEGRATIONS, SEED)
    assert api.registry.integrations[ID].access_token == Secret(canary.TOKEN)


async def test_the_list_has_those_of_the_file_too(api: Caller) -> None:
    await api.call("POST", INTEGRATIONS, SEED)
    listed = await api.call("GET", INTEGRATIONS)
    assert [(one["id"], one["managed_by"], one["version"]) for one in listed.body] == [
        ("file-1", "file", 0),
        (ID, "api", 1),
    ]
    assert listed.body[0]["config"]["access_token"] == MASK
    for one in listed.body:
        assert (await api.call("GET", f"{INTEGRATIONS}/{one['id']}")).body == one
    assert (await api.call("GET", f"{INTEGRATIONS}/none")).status == 404


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        (
            {},
            {
                "source_id": "is not set",
                "config.pixel_id": "is not set; give pixel_id, or snap_app_id and",
                "config.access_token": "is not set; make one in Snap's Business Manager",
            },
        ),
        (
            {**SEED, "pixel_id": "x", "conzent": 1},
            {
                "pixel_id": "is not known here; did you mean config.pixel_id?",
                "conzent": "is not known; known here: id, source_id, vendor, name, enabled, "
                "consent_categories, events, unknown_events, config",
            },
        ),
        (
            {**SEED, "access_token": "t"},
            {"access_token": "is not known here; did you mean config."},
        ),
        (changed(acess_token="x"), {"config.acess_token": "did you mean config.access_token?"}),
        (changed(access_token="Bearer x"), {"config.access_token": "must be the token alone"}),
        (
            changed(access_token=5, api="v9"),
            {"config.api": "one of v2, v3", "config.access_token": "must be a text"},
        ),
        (changed(access_token=None), {"config.access_token": "must be a text; it can be replaced"}),
        (changed(access_token=MASK), {"config.access_token": "is not set"}),
        ({**SEED, "config": 5}, {"config": "must be an object", "config.pixel_id": "is not set"}),
        ({**SEED, "id": "a b"}, {"id": "must be 1 to 64 letters"}),
        ({**SEED, "id": 7}, {"id": "must be a text"}),
        ({**SEED, "source_id": "x" * 60}, {"id": "must be 1 to 64 letters"}),
        ({**SEED, "source_id": "fiel"}, {"source_id": "names no source; did you mean file?"}),
    ],
)
async def test_what_cannot_be_used_is_told_by_field_and_nothing_is_made(
    api: Caller, body: dict[str, Any], faults: dict[str, str]
) -> None:
    answer = await api.call("POST", INTEGRATIONS, body)
    assert answer.status == 422
    for field, said in faults.items():
        assert said in answer.faults[field], answer.faults
    assert not canary.leaks_in(msgspec.json.encode(answer.body))
    assert await api.store.office.records("integration") == []
    assert await api.store.office.records("source") == []


async def test_an_integration_of_a_source_of_the_file_is_no_matter(api: Caller) -> None:
    made = await api.call("POST", INTEGRATIONS, {**SEED, "source_id": "file", "id": " mine "})
    assert (made.status, made.body["id"]) == (201, "mine")
    assert [one.id for one in api.registry.sources["file"].integrations] == ["file-1", "mine"]
    assert await api.store.office.records("source") == []


async def test_an_id_is_given_once(api: Caller) -> None:
    await api.call("POST", INTEGRATIONS, SEED)
    for body in (SEED, {**SEED, "id": "file-1"}):
        again = await api.call("POST", INTEGRATIONS, body)
        assert (again.status, again.body["code"]) == (409, "exists")
    bodies = [{**SEED, "id": "race"}] * 3
    answers = await both(*(api.call("POST", INTEGRATIONS, one) for one in bodies))
    assert sorted(one.status for one in answers) == [201, 409, 409]


async def test_a_patch_changes_what_it_names_and_keeps_the_token(api: Caller) -> None:
    before = (await api.call("POST", INTEGRATIONS, SEED)).body
    patch = {"config": {"api": "v3", "access_token": MASK}, "events": {"Quiz": "SAVE"}}
    after = await api.call("PATCH", ONE, patch, if_match='"1"')
    assert after.status == 200
    config = {**before["config"], "api": "v3"}
    assert after.body == {**before, "config": config, "events": {"Quiz": ["SAVE"]}, "version": 2}
    assert api.registry.integrations[ID].access_token == Secret(canary.TOKEN)
    [line, *_] = await api.store.office.changes()
    assert line.detail == "changed config.api, events"
    assert (await api.call("PATCH", ONE, {}, if_match="1")).status == 412


async def test_another_pixel_keeps_the_token_too(api: Caller) -> None:
    await api.call("POST", INTEGRATIONS, SEED)
    after = await api.call("PATCH", ONE, {"config": {"pixel_id": "other"}})
    assert after.body["faults"] == []
    made = api.registry.integrations[ID]
    assert (made.pixel_id, made.access_token) == ("other", Secret(canary.TOKEN))


async def test_a_new_token_takes_effect_and_has_another_fingerprint(api: Caller) -> None:
    before = (await api.call("POST", INTEGRATIONS, SEED)).body
    after = (await api.call("PATCH", ONE, {"config": {"access_token": "new"}})).body
    assert api.registry.integrations[ID].access_token == Secret("new")
    name = "access_token_fingerprint"
    assert before["config"][name] != after["config"][name]
    [line, *_] = await api.store.office.changes()
    assert line.detail == "changed config.access_token"


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"id": "other"}, "id"),
        ({"config": {"access_token": ""}}, "config.access_token"),
        ({"config": {"pixel_id": None}}, "config.pixel_id"),
        ({"source_id": "nowhere"}, "source_id"),
        ({"source_id": None}, "source_id"),
    ],
)
async def test_a_patch_that_cannot_be_used_changes_nothing(
    api: Caller, patch: dict[str, Any], field: str
) -> None:
    await api.call("POST", INTEGRATIONS, SEED)
    before = api.registry.integrations[ID]
    answer = await api.call("PATCH", ONE, patch)
    assert answer.status == 422
    assert field in answer.faults
    assert api.registry.integrations[ID] == before


async def test_those_of_the_file_are_read_only_but_can_be_paused(api: Caller) -> None:
    path = f"{INTEGRATIONS}/file-1"
    for method, body in (("PATCH", {"name": "x"}), ("DELETE", None)):
        answer = await api.call(method, path, body)
        assert (answer.status, answer.body["code"]) == (403, "of_configuration")
    paused = await api.call("POST", f"{path}/pause")
    assert paused.body["gate"]["state"] == "paused_manual"
    assert (await api.call("POST", f"{path}/test")).body["ok"] is True


async def test_the_live_switch_takes_the_place_of_what_was_there(api: Caller) -> None:
    await api.call("POST", INTEGRATIONS, SEED)
    off = await api.call("PATCH", ONE, {"enabled": False})
    assert off.body["enabled"] is False
    assert api.registry.integrations[ID].enabled is False
    assert (await api.call("PATCH", ONE, {"enabled": None})).body["enabled"] is True


async def test_deleting_says_what_becomes_of_what_waits(api: Caller) -> None:
    await api.call("POST", INTEGRATIONS, SEED)
    await put(api.store, *(item(event(n, time_ms=api.clock()), to=ID) for n in range(3)))
    gone = await api.call("DELETE", ONE)
    assert gone.status == 200
    assert (gone.body["id"], gone.body["waiting"]) == (ID, 3)
    assert "3 event(s) still wait" in gone.body["message"]
    assert ID not in api.registry.integrations
    assert "src_abc123" in api.registry.sources
    [counts] = await api.store.stats()
    assert counts.pending == 3
    assert (await api.call("DELETE", ONE)).status == 404
    await api.call("POST", INTEGRATIONS, {**SEED, "id": "empty"})
    message = (await api.call("DELETE", f"{INTEGRATIONS}/empty")).body["message"]
    assert message == "nothing waited for it"


async def test_a_pause_holds_until_somebody_resumes(api: Caller) -> None:
    await api.call("POST", INTEGRATIONS, SEED)
    paused = await api.call("POST", f"{ONE}/pause")
    assert paused.body["gate"] == {
        "state": "paused_manual",
        "reason": "paused by jane",
        "since_ms": api.clock(),
    }
    await put(api.store, item(event(1, time_ms=api.clock()), to=ID))
    assert not await api.store.claim(ID, limit=1, max_bytes=10**6, lease_s=60)
    resumed = await api.call("POST", f"{ONE}/resume")
    assert resumed.body["gate"]["state"] == "open"
    assert api.woken == [ID]
    assert await api.store.claim(ID, limit=1, max_bytes=10**6, lease_s=60)
    assert [one[1] for one in await api.actions()][-2:] == ["pause", "resume"]


async def test_resuming_opens_whatever_closed_the_gate(api: Caller) -> None:
    await api.call("POST", INTEGRATIONS, SEED)
    await api.store.set_gate(Gate(integration=ID, state="paused_auth", reason="401"))
    shown = await api.call("GET", ONE)
    assert (shown.body["gate"]["state"], shown.body["gate"]["reason"]) == ("paused_auth", "401")
    await api.call("POST", f"{ONE}/resume")
    assert (await api.store.gate(ID)).state == "open"
    [line, *_] = await api.store.office.changes()
    assert line.detail == "its gate was paused_auth"


async def test_a_test_answers_in_four_fields(api: Caller) -> None:
    await api.call("POST", INTEGRATIONS, SEED)
    answer = await api.call("POST", f"{ONE}/test")
    said = {"ok": True, "latency_ms": 12, "status": 200, "message": "Snap accepted it"}
    assert answer.body == said
    assert [one.access_token for one in api.probed] == [Secret(canary.TOKEN)]
    api.result = msgspec.structs.replace(api.result, ok=False, status=None, message="no answer")
    answer = await api.call("POST", f"{ONE}/test")
    assert answer.body == {**said, "ok": False, "status": None, "message": "no answer"}
    details = [one.detail for one in await api.store.office.changes()]
    assert details[:2] == [
        "the connection test failed: no answer",
        "the connection test passed",
    ]


async def test_snaps_own_view_is_asked_for(api: Caller) -> None:
    await api.call("POST", INTEGRATIONS, SEED)
    answer = await api.call("GET", f"{ONE}/snap")
    assert answer.body["message"] == f"asked for {ID}"


@pytest.mark.parametrize("action", ["test", "pause", "resume"])
async def test_what_is_not_there_can_neither_be_tested_nor_paused(api: Caller, action: str) -> None:
    assert (await api.call("POST", f"{INTEGRATIONS}/none/{action}")).status == 404
    assert (await api.call("GET", f"{INTEGRATIONS}/none/snap")).status == 404


async def test_a_token_that_no_key_opens_is_shown_as_a_fault_and_can_be_given_anew(
    api: Caller,
) -> None:
    await api.call("POST", INTEGRATIONS, SEED)
    record = await api.store.office.record("integration", ID)
    assert record is not None
    spoilt = record.body.replace(b'"box":"', b'"box":"AAAA')
    await api.store.office.put("integration", ID, spoilt)
    await api.state.live.refresh()
    shown = (await api.call("GET", ONE)).body
    assert shown["faults"][0]["field"] == "config.access_token"
    assert shown["config"]["access_token_fingerprint"] == ""
    unmended = await api.call("PATCH", ONE, {"name": "x"})
    assert "config.access_token" in unmended.faults
    mended = await api.call("PATCH", ONE, {"config": {"access_token": "new"}})
    assert mended.body["faults"] == []


async def test_a_record_that_is_not_in_use_is_shown_and_can_be_deleted(api: Caller) -> None:
    await api.store.office.put("integration", "odd", b"{")
    body = b'{"document":{"source_id":"gone","name":"Old"}}'
    await api.store.office.put("integration", "orphan", body)
    await api.state.live.refresh()
    [_, odd, orphan] = (await api.call("GET", INTEGRATIONS)).body
    assert "cannot be read" in odd["faults"][0]["message"]
    assert (orphan["source_id"], orphan["name"]) == ("gone", "Old")
    for id_ in ("odd", "orphan"):
        assert (await api.call("GET", f"{INTEGRATIONS}/{id_}")).body["faults"]
        assert (await api.call("POST", f"{INTEGRATIONS}/{id_}/test")).status == 404
    assert (await api.call("DELETE", f"{INTEGRATIONS}/orphan")).status == 200
    mended = await api.call("PATCH", f"{INTEGRATIONS}/odd", SEED | {"source_id": "file"})
    assert mended.body["faults"] == []


async def test_there_is_an_end_to_how_many_there_are(api: Caller) -> None:
    for number in range(500):
        await api.store.office.put("integration", f"s{number}", b"{}")
    answer = await api.call("POST", INTEGRATIONS, SEED)
    assert (answer.status, answer.body["code"]) == (409, "too_many")
