"""Sources by API: made, changed, deleted, and their write keys."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgeproxy.keys import token_digest
from edgeproxy.sites import Integration, Secret, Source
from tests.admin_calls import Caller, both, calling

SOURCES = "/v1/admin/sources"
FILE = Source(
    id="file",
    origins=("https://file.example",),
    write_key_digests=(token_digest("a-key-of-the-file"),),
    integrations=(Integration(id="file-1", source="file", access_token=Secret("f")),),
)
SHOP = {"id": "shop", "origins": ["https://www.example.com"], "default_country": "us"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Caller]:
    async with calling(tmp_path, FILE) as caller:
        yield caller


async def test_a_source_that_was_made_serves_at_once(api: Caller) -> None:
    made = await api.call("POST", SOURCES, SHOP)
    assert made.status == 201
    assert made.headers == {b"etag": b'"1"', b"location": b"/v1/admin/sources/shop"}
    assert made.body == {
        "id": "shop",
        "origins": ["https://www.example.com"],
        "cookie_domain": "auto",
        "consent": "required",
        "default_country": "US",
        "click_id_days": 90,
        "click_id_readable": False,
        "write_keys": [],
        "integrations": [],
        "managed_by": "api",
        "version": 1,
        "changed_ms": api.clock(),
        "faults": [],
    }
    shown = await api.call("GET", f"{SOURCES}/shop")
    assert {**shown.body, "changed_ms": api.clock()} == made.body
    assert shown.headers == {b"etag": b'"1"'}
    assert api.registry.by_origin(b"https://www.example.com") is not None
    assert await api.actions() == [("jane", "create", "shop")]


async def test_the_list_has_those_of_the_file_too(api: Caller) -> None:
    await api.call("POST", SOURCES, SHOP)
    listed = await api.call("GET", SOURCES)
    assert [(one["id"], one["managed_by"]) for one in listed.body] == [
        ("file", "file"),
        ("shop", "api"),
    ]
    [key] = listed.body[0]["write_keys"]
    assert key["made_ms"] is None
    assert listed.body[0]["integrations"] == ["file-1"]
    shown = await api.call("GET", f"{SOURCES}/file")
    assert shown.body == listed.body[0]
    assert (await api.call("GET", f"{SOURCES}/none")).status == 404


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"id": "is not set"}),
        ({"id": "../etc"}, {"id": "must be 1 to 64 letters, digits, - or _"}),
        (
            {"id": "a", "orgins": [], "consent": 3},
            {"orgins": "is not known; did you mean origins?", "consent": "must be a text"},
        ),
        (
            {"id": "a", "origins": ["https://file.example"]},
            {"origins": "https://file.example belongs to source file"},
        ),
    ],
)
async def test_what_cannot_be_used_is_told_by_field_and_nothing_is_made(
    api: Caller, body: dict[str, Any], faults: dict[str, str]
) -> None:
    answer = await api.call("POST", SOURCES, body)
    assert answer.status == 422
    assert answer.faults == faults
    assert await api.store.office.records("source") == []
    assert await api.actions() == []


@pytest.mark.parametrize(
    ("raw", "status"), [(b"{", 400), (b"[]", 422), (b"null", 422), (b'{"a":' * 9_999, 400)]
)
async def test_a_body_that_is_no_object_is_refused(api: Caller, raw: bytes, status: int) -> None:
    assert (await api.call("POST", SOURCES, raw)).status == status


async def test_an_id_is_given_once(api: Caller) -> None:
    await api.call("POST", SOURCES, SHOP)
    for taken in ("shop", "file"):
        again = await api.call("POST", SOURCES, {"id": taken})
        assert (again.status, again.body["code"]) == (409, "exists")
    answers = await both(*(api.call("POST", SOURCES, {"id": "race"}) for _ in range(3)))
    assert sorted(one.status for one in answers) == [201, 409, 409]


async def test_a_patch_changes_what_it_names(api: Caller) -> None:
    await api.call("POST", SOURCES, SHOP)
    changed = await api.call(
        "PATCH", f"{SOURCES}/shop", {"consent": "implied", "default_country": None}
    )
    assert changed.status == 200
    assert changed.headers == {b"etag": b'"2"'}
    assert changed.body["consent"] == "implied"
    assert changed.body["default_country"] == ""
    assert changed.body["origins"] == ["https://www.example.com"]
    assert api.registry.sources["shop"].consent == "implied"
    [line, _] = await api.store.office.changes()
    assert (line.action, line.detail) == ("change", "changed consent, default_country")


async def test_a_patch_that_cannot_be_used_changes_nothing(api: Caller) -> None:
    await api.call("POST", SOURCES, SHOP)
    bad = await api.call("PATCH", f"{SOURCES}/shop", {"id": "other"})
    assert bad.faults == {"id": "cannot be changed: what is stored goes by it"}
    bad = await api.call("PATCH", f"{SOURCES}/shop", {"cookie_domain": "example.org"})
    assert "is not in example.org" in bad.faults["cookie_domain"]
    assert (await api.call("PATCH", f"{SOURCES}/shop", {"id": "shop"})).status == 200
    assert (await api.call("PATCH", f"{SOURCES}/none", {})).status == 404
    assert api.registry.sources["shop"].cookie_domain == "auto"


async def test_if_match_tells_who_was_slower(api: Caller) -> None:
    await api.call("POST", SOURCES, SHOP)
    for if_match in ("1", "*", '"3"'):
        answer = await api.call("PATCH", f"{SOURCES}/shop", {"click_id_days": 5}, if_match=if_match)
        assert answer.status == 200
    for if_match in ("1", '"9"', "x", 'W/"4"'):
        answer = await api.call("PATCH", f"{SOURCES}/shop", {"click_id_days": 6}, if_match=if_match)
        assert (answer.status, answer.body["code"]) == (412, "changed_meanwhile")
        assert "version 4 now" in answer.body["detail"]
        assert (await api.call("DELETE", f"{SOURCES}/shop", if_match=if_match)).status == 412
    assert api.registry.sources["shop"].click_id_days == 5


async def test_changes_at_the_same_time_all_take_effect(api: Caller) -> None:
    await api.call("POST", SOURCES, SHOP)
    patches = [{"click_id_days": 7}, {"consent": "implied"}, {"click_id_readable": True}]
    answers = await both(*(api.call("PATCH", f"{SOURCES}/shop", one) for one in patches))
    assert [one.status for one in answers] == [200] * 3
    source = api.registry.sources["shop"]
    assert (source.click_id_days, source.consent, source.click_id_readable) == (7, "implied", True)


async def test_those_of_the_file_are_read_only(api: Caller) -> None:
    path = f"{SOURCES}/file"
    for method, where, body in (
        ("PATCH", path, {"consent": "implied"}),
        ("DELETE", path, None),
        ("POST", f"{path}/keys", None),
        ("DELETE", f"{path}/keys/x", None),
    ):
        answer = await api.call(method, where, body)
        assert (answer.status, answer.body["code"]) == (403, "of_configuration")
        assert "change it there" in answer.body["detail"]


async def test_a_source_is_deleted_when_nothing_hangs_on_it(api: Caller) -> None:
    await api.call("POST", SOURCES, SHOP)
    config = {"pixel_id": "p", "access_token": "t"}
    await api.call("POST", "/v1/admin/integrations", {"source_id": "shop", "config": config})
    kept = await api.call("DELETE", f"{SOURCES}/shop")
    assert (kept.status, kept.body["code"]) == (409, "in_use")
    assert "shop-p" in kept.body["detail"]
    await api.call("DELETE", "/v1/admin/integrations/shop-p")
    gone = await api.call("DELETE", f"{SOURCES}/shop")
    assert gone.status == 200
    assert "refused" in gone.body["message"]
    assert (await api.call("DELETE", f"{SOURCES}/shop")).status == 404
    assert api.registry.by_origin(b"https://www.example.com") is None


async def test_a_write_key_is_shown_once_and_kept_as_its_digest(api: Caller) -> None:
    await api.call("POST", SOURCES, SHOP)
    made = await api.call("POST", f"{SOURCES}/shop/keys")
    assert made.status == 201
    key = made.body["key"]
    assert len(key) >= 43
    assert api.registry.sources["shop"].write_key_digests == (token_digest(key),)
    shown = await api.call("GET", f"{SOURCES}/shop")
    assert shown.body["write_keys"] == [{"id": made.body["id"], "made_ms": api.clock()}]
    assert key not in str(shown.body)
    assert key.encode() not in api.written()
    lines = await api.store.office.changes()
    assert (lines[0].action, lines[0].detail) == ("create key", f"write key {made.body['id']}")
    assert key not in str(lines)


async def test_two_write_keys_live_and_each_can_be_revoked(api: Caller) -> None:
    await api.call("POST", SOURCES, SHOP)
    one, two = [(await api.call("POST", f"{SOURCES}/shop/keys")).body for _ in range(2)]
    third = await api.call("POST", f"{SOURCES}/shop/keys")
    assert (third.status, third.body["code"]) == (409, "too_many")
    path = f"{SOURCES}/shop/keys/{one['id']}"
    assert (await api.call("DELETE", path)).status == 204
    assert (await api.call("DELETE", path)).status == 404
    assert api.registry.sources["shop"].write_key_digests == (token_digest(two["key"]),)
    assert (await api.call("POST", f"{SOURCES}/shop/keys")).status == 201
    assert (await api.call("POST", f"{SOURCES}/none/keys")).status == 404


async def test_a_key_survives_a_change_of_its_source(api: Caller) -> None:
    await api.call("POST", SOURCES, SHOP)
    await api.call("POST", f"{SOURCES}/shop/keys")
    changed = await api.call("PATCH", f"{SOURCES}/shop", {"consent": "implied"})
    assert len(changed.body["write_keys"]) == 1


async def test_a_record_that_cannot_be_read_is_shown_and_can_be_given_anew(api: Caller) -> None:
    await api.store.office.put("source", "odd", b"{")
    await api.state.live.refresh()
    [_, odd] = (await api.call("GET", SOURCES)).body
    assert odd["id"] == "odd"
    assert "cannot be read" in odd["faults"][0]["message"]
    assert (await api.call("GET", f"{SOURCES}/odd")).body == odd
    mended = await api.call("PATCH", f"{SOURCES}/odd", {"origins": ["https://odd.example"]})
    assert mended.body["faults"] == []
    assert api.registry.by_origin(b"https://odd.example") is not None


async def test_there_is_an_end_to_how_many_there_are(api: Caller) -> None:
    empty = msgspec.json.encode({})
    for number in range(500):
        await api.store.office.put("source", f"s{number}", empty)
    answer = await api.call("POST", SOURCES, SHOP)
    assert (answer.status, answer.body["code"]) == (409, "too_many")
