"""The pages of integrations through real HTTP, as a browser without JavaScript sends them."""

import html
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from edgeproxy.admin.api.connection import ODD_PIXEL
from edgeproxy.admin.views.integration_rows import HEADLINES
from edgeproxy.settings import Settings
from edgeproxy.sites import Integration, Secret, Source
from edgeproxy.store.base import Gate
from edgeproxy.store.office import Change
from edgeproxy.trial import TestResult
from tests import canary
from tests.admin_http import Visitor, admin
from tests.fakes import item, put
from tests.test_admin_views_overview import words

PIXEL = "5a3e0c1d-7b2f-4c8e-9a6b-0d1e2f3a4b5c"
SHOP: dict[str, Any] = {
    "source_id": "shop",
    "id": "shop-1",
    "name": "Shop pixel",
    "config": {"pixel_id": PIXEL, "access_token": canary.TOKEN},
}
HERE = "/integrations/shop-1"
FILE = Source(
    id="file",
    integrations=(
        Integration(id="file-1", source="file", access_token=Secret("tok"), pixel_id="odd"),
    ),
)
REFUSED = TestResult(
    integration="x", ok=False, status=401, latency_ms=31, message="the access token is wrong"
)


@pytest.fixture
async def visitor(tmp_path: Path) -> AsyncIterator[Visitor]:
    """Somebody who is logged in, where the configuration has one integration."""
    async with admin(tmp_path, FILE) as visitor:
        await visitor.log_in()
        yield visitor


async def made(visitor: Visitor, **more: Any) -> None:
    done = await visitor.caller.call("POST", "/v1/admin/integrations", {**SHOP, **more})
    assert done.status == 201, done.body


async def fill(visitor: Visitor, path: str, **form: str) -> httpx.Response:
    """Send a form; `config_x` is the field config.x."""
    fields = {name.replace("config_", "config."): text for name, text in form.items()}
    return await visitor.send(path, {"csrf": await visitor.phrase(), **fields})


async def followed(visitor: Visitor, answer: httpx.Response) -> str:
    """The text of the page that a form led to."""
    assert answer.status_code == 303, words(answer.text)
    page = await visitor.browse(answer.headers["location"])
    assert page.status_code == 200
    assert not canary.leaks_in(page.content)
    return words(page.text)


async def version(visitor: Visitor) -> str:
    shown = await visitor.caller.call("GET", f"/v1/admin{HERE}")
    return str(shown.body["version"])


async def known(visitor: Visitor) -> Any:
    return (await visitor.caller.call("GET", f"/v1/admin{HERE}")).body


async def test_before_the_first_one_the_page_says_what_is_needed_of_snap(tmp_path: Path) -> None:
    async with admin(tmp_path) as visitor:
        text = words((await visitor.get("/integrations")).text)
        assert "No event goes anywhere yet" in text
        assert "Events Manager" in text
        assert "Business Details" in text
        assert "First your site" in text


async def test_the_list_tells_of_each_how_it_goes_and_what_would_help(visitor: Visitor) -> None:
    await made(visitor)
    await put(visitor.caller.store, item(to="shop-1"))
    gate = Gate(integration="shop-1", state="paused_auth", reason="Snap said <no>")
    await visitor.caller.store.set_gate(gate)
    page = (await visitor.browse("/integrations")).text
    text = words(page)
    for part in (
        "Shop pixel paused: token or pixel shop-1",
        "It is paused: Snap does not accept the token or the pixel",
        "Snap said <no>",
        "Cure Correct the access token or the pixel id",
        "Waiting 1 oldest",
        "Connection test not tested",
        "file-1 · from the configuration",
    ):
        assert part in text, part
    assert page.count('role="switch"') == 1, "that of the file cannot be switched"


async def test_a_viewer_looks_and_is_shown_nothing_to_press(tmp_path: Path) -> None:
    async with admin(tmp_path, FILE) as visitor:
        await made(visitor)
        token = await visitor.caller.call("POST", "/v1/admin/tokens", {"name": "v"})
        await visitor.log_in(token.body["token"])
        for path in ("/integrations", HERE, f"{HERE}/events", "/sources", "/sources/shop"):
            page = await visitor.browse(path)
            assert page.status_code == 200, path
            body = page.text.partition("<main")[2]
            assert 'method="post"' not in body, path
        for path in (f"{HERE}/snap", "/integrations/new", "/sources/new"):
            assert (await visitor.browse(path)).status_code == 403, path
        form = {"csrf": "x", "enabled": "true", "version": "1"}
        assert (await visitor.send(f"{HERE}/live", form)).status_code == 403


async def test_a_new_one_is_off_and_tested_at_once(visitor: Visitor) -> None:
    asked = {"source_id": "shop", "config_pixel_id": PIXEL, "config_access_token": canary.TOKEN}
    done = await fill(visitor, "/integrations/new", **asked, config_api="v3", name="My pixel")
    text = await followed(visitor, done)
    assert done.headers["location"] == "/integrations/shop-5a3e0c1d"
    assert "It is off until you switch it on" in text
    assert "Snap accepts what we send" in text
    [probed] = visitor.caller.probed
    assert (probed.api, probed.name, probed.enabled) == ("v3", "My pixel", False)
    assert probed.access_token.reveal() == canary.TOKEN
    assert ("admin token", "test", "shop-5a3e0c1d") in await visitor.caller.actions()


async def test_faults_of_a_new_one_stand_at_their_fields(visitor: Visitor) -> None:
    answer = await fill(
        visitor,
        "/integrations/new",
        source_id="shop",
        config_pixel_id="typed-pixel",
        config_access_token="two words",
    )
    assert answer.status_code == 422
    assert 'value="typed-pixel"' in answer.text
    assert "two words" not in answer.text
    assert "must be one line of printable ASCII without blanks" in answer.text
    assert '<p class="field wrong">' in answer.text
    assert not visitor.caller.probed


async def test_the_same_pixel_twice_is_told_without_the_words_of_the_api(visitor: Visitor) -> None:
    asked = {"source_id": "shop", "config_pixel_id": PIXEL, "config_access_token": "tok"}
    await fill(visitor, "/integrations/new", **asked)
    again = await fill(visitor, "/integrations/new", **asked)
    assert again.status_code == 409
    assert "this site sends to this pixel already" in words(again.text).lower()
    assert "PATCH" not in words(again.text)


async def test_too_many_are_told_as_they_are(visitor: Visitor) -> None:
    for number in range(500):
        await visitor.state.office.put("integration", f"n{number}", b"{}")
    asked = {"source_id": "file", "config_pixel_id": PIXEL, "config_access_token": "tok"}
    answer = await fill(visitor, "/integrations/new", **asked)
    assert "there are 500 integrations" in words(answer.text).lower()


async def test_a_setting_is_changed_and_only_that_is_in_the_log(visitor: Visitor) -> None:
    await made(visitor)
    form = {
        "version": await version(visitor),
        "name": " Shop pixel ",
        "source_id": "shop",
        "consent_categories": "advertising, marketing",
        "config_pixel_id": PIXEL,
        "config_access_token": "",
        "config_api": "v2",
        "config_rate_limit_rps": "12.5",
        "config_rate_limit_per_minute": "",
        "config_linger_ms": "",
        "config_limited_data_use": "true",
    }
    text = await followed(visitor, await fill(visitor, HERE, **form))
    assert (
        "Saved: Consent categories, Limited data use, Requests a second, Wait for a batch" in text
    )
    now = await known(visitor)
    assert now["consent_categories"] == ["advertising", "marketing"]
    assert now["config"]["rate_limit_rps"] == 12.5
    assert now["config"]["limited_data_use"] is True
    assert not visitor.caller.probed
    line: Change = (await visitor.state.office.changes())[0]
    assert "config.rate_limit_rps" in line.detail
    assert "pixel_id" not in line.detail


async def test_nothing_changed_is_no_change(visitor: Visitor) -> None:
    await made(visitor)
    form = {"version": await version(visitor), "name": "Shop pixel", "config_api": "v2"}
    assert "Nothing was changed" in await followed(visitor, await fill(visitor, HERE, **form))
    assert await version(visitor) == "1"


@pytest.mark.parametrize(
    ("field", "typed", "says"),
    [
        ("config.rate_limit_rps", "fast", "must be a number, more than 0"),
        ("config.batch_max", "5000", "must be from 1 to 2000"),
        ("config.api", "v9", "must be one of v2, v3"),
        ("config.pixel_id", "", "is not set; give pixel_id"),
    ],
)
async def test_a_fault_stands_at_its_field_and_changes_nothing(
    visitor: Visitor, field: str, typed: str, says: str
) -> None:
    await made(visitor)
    answer = await fill(visitor, HERE, version="1", name="Kept", **{field: typed})
    assert answer.status_code == 422
    assert f"<code>{field}</code> {says}" in answer.text
    assert 'value="Kept"' in answer.text
    assert await version(visitor) == "1"


async def test_a_new_token_is_tested_at_once_and_delivery_is_woken(visitor: Visitor) -> None:
    await made(visitor)
    before = (await known(visitor))["config"]["access_token_fingerprint"]
    visitor.caller.result = REFUSED
    answer = await fill(visitor, HERE, version="1", config_access_token="another-token")
    text = await followed(visitor, answer)
    assert "Saved: Access token" in text
    for part in ("Snap does not accept the token", "The access token is wrong.", "Answer 401"):
        assert part in text, part
    assert "Latency 31 ms" in text
    assert "Business Details" in text
    assert visitor.caller.woken == ["shop-1"]
    after = (await known(visitor))["config"]["access_token_fingerprint"]
    assert after != before
    page = (await visitor.browse(HERE)).text
    assert after in page
    assert 'name="config.access_token" type="password" value=""' in page
    assert b"another-token" not in visitor.caller.written()


async def test_two_people_do_not_overwrite_each_other(visitor: Visitor) -> None:
    await made(visitor)
    stale = await version(visitor)
    await visitor.caller.call("PATCH", f"/v1/admin{HERE}", {"name": "Theirs"})
    form = {"name": "Mine", "config_api": "v2", "config_access_token": "new-token"}
    answer = await fill(visitor, HERE, version=stale, **form)
    assert answer.status_code == 412
    text = words(answer.text)
    assert "Somebody else changed it meanwhile" in text
    assert "Name Mine Theirs" in text
    assert "Access token a new one; type it again the old one" in text
    assert 'name="name" type="text" value="Theirs"' in answer.text, "the form shows what is now"
    assert (await known(visitor))["name"] == "Theirs"
    again = await fill(visitor, HERE, version=await version(visitor), name="Mine")
    assert "Saved: Name" in await followed(visitor, again)


async def test_an_older_form_without_a_difference_is_told_too(visitor: Visitor) -> None:
    await made(visitor)
    await visitor.caller.call("PATCH", f"/v1/admin{HERE}", {"name": "Theirs"})
    answer = await fill(visitor, HERE, version="1", name="Theirs")
    assert answer.status_code == 412
    assert "Settings as below as below" in words(answer.text)


async def test_the_live_switch_is_thrown_and_a_stale_page_throws_nothing(visitor: Visitor) -> None:
    await made(visitor)
    off = await fill(visitor, f"{HERE}/live", version="1", enabled="false")
    assert "It is off: it takes no new events" in await followed(visitor, off)
    stale = await fill(visitor, f"{HERE}/live", version="1", enabled="true")
    assert stale.status_code == 412
    assert "Somebody else changed it meanwhile" in words(stale.text)
    assert "If-Match" not in stale.text
    assert (await known(visitor))["enabled"] is False
    on = await fill(visitor, f"{HERE}/live", version="2", enabled="true")
    assert "It is live" in await followed(visitor, on)
    assert visitor.caller.woken == ["shop-1", "shop-1"]


async def test_it_is_paused_and_resumed_by_hand(visitor: Visitor) -> None:
    await made(visitor)
    text = await followed(visitor, await fill(visitor, f"{HERE}/pause"))
    assert "It was paused by hand" in text
    assert "paused by admin token" in text
    assert (await visitor.caller.store.gate("shop-1")).state == "paused_manual"
    text = await followed(visitor, await fill(visitor, f"{HERE}/resume"))
    assert "Events are sent as they come" in text
    assert (await visitor.caller.store.gate("shop-1")).state == "open"


async def test_it_is_deleted_after_a_question_and_its_test_is_forgotten(visitor: Visitor) -> None:
    await made(visitor)
    await put(visitor.caller.store, item(to="shop-1"))
    await fill(visitor, f"{HERE}/test")
    assert "One event waits for it" in words((await visitor.browse(HERE)).text)
    stale = await fill(visitor, f"{HERE}/delete", version="0")
    assert stale.status_code == 412
    text = await followed(visitor, await fill(visitor, f"{HERE}/delete", version="1"))
    assert "shop-1 is deleted; 1 event(s) still wait for it" in text
    assert await visitor.state.office.records("note") == []
    assert (await visitor.browse(HERE)).status_code == 404
    assert (await fill(visitor, f"{HERE}/delete", version="1")).status_code == 404


@pytest.mark.parametrize("status", [*HEADLINES, 500])
async def test_each_cause_has_a_headline_and_what_was_said(
    visitor: Visitor, status: int | None
) -> None:
    await made(visitor)
    visitor.caller.result = msgspec.structs.replace(
        REFUSED, status=status, message="why it <failed>"
    )
    text = await followed(visitor, await fill(visitor, f"{HERE}/test"))
    assert HEADLINES.get(status, "Snap answered 500") in text
    assert "Why it <failed>." in text
    assert f"Answer {status or 'none'}" in text


async def test_a_pixel_id_of_the_wrong_form_is_told(visitor: Visitor) -> None:
    visitor.caller.result = REFUSED
    text = await followed(visitor, await fill(visitor, "/integrations/file-1/test"))
    assert ODD_PIXEL in text
    await made(visitor, config={"pixel_id": "short", "access_token": "tok"})
    page = (await visitor.browse(HERE)).text
    assert "It is not in the form of Snap&#39;s ids" in page


async def test_a_test_before_the_last_change_is_marked(visitor: Visitor) -> None:
    await made(visitor)
    await fill(visitor, f"{HERE}/test")
    assert "before the last change" not in words((await visitor.browse(HERE)).text)
    await visitor.caller.call("PATCH", f"/v1/admin{HERE}", {"config": {"api": "v3"}})
    assert "before the last change" in words((await visitor.browse(HERE)).text)
    assert "tested before the last change" in words((await visitor.browse("/integrations")).text)


async def test_a_result_that_cannot_be_read_counts_as_none(visitor: Visitor) -> None:
    await made(visitor)
    await fill(visitor, f"{HERE}/test")
    [kept] = await visitor.state.office.records("note")
    await visitor.state.office.put("note", "shop-1", kept.body)
    await visitor.state.office.put("note", kept.id, b"{}")
    assert "A test event goes to Snap" in words((await visitor.browse(HERE)).text)
    assert "not tested" in words((await visitor.browse("/integrations")).text)


async def test_one_of_the_configuration_says_where_and_takes_no_change(tmp_path: Path) -> None:
    where = {"sources[0].id": "/etc/edgeproxy/edgeproxy.toml"}
    settings = Settings(sources=(FILE,), where=where)
    async with admin(tmp_path, FILE, settings=settings) as visitor:
        await visitor.log_in()
        page = (await visitor.browse("/integrations/file-1")).text
        assert "/etc/edgeproxy/edgeproxy.toml" in page
        assert "so it is read-only here" in page
        assert 'action="/integrations/file-1"' not in page
        assert 'action="/integrations/file-1/delete"' not in page
        assert 'action="/integrations/file-1/pause"' in page, "its gate is a person's to close"
        for form in ("", "/live", "/delete", "/events"):
            path = f"/integrations/file-1{form}"
            answer = await fill(visitor, path, version="1", name="x", own="a", snap="SAVE")
            assert answer.status_code == 403, form
            assert "defined in the configuration file" in words(answer.text)


async def test_a_record_at_fault_is_shown_with_its_fault_and_can_be_mended(
    visitor: Visitor,
) -> None:
    await made(visitor)
    body = b'{"document": {"source_id": "gone", "config": {"pixel_id": "p"}}, "box": "x"}'
    await visitor.state.office.put("integration", "shop-1", body)
    await visitor.state.live.refresh()
    text = words((await visitor.browse("/integrations")).text)
    assert "source_id names no source" in text
    text = words((await visitor.browse(HERE)).text)
    assert "source_id names no source" in text
    mended = await fill(
        visitor, HERE, version="2", source_id="shop", config_access_token="tok", config_pixel_id="p"
    )
    assert "Saved" in await followed(visitor, mended)


async def test_one_that_is_called_new_has_a_page_too(visitor: Visitor) -> None:
    await made(visitor, id="new")
    page = (await visitor.browse("/integrations")).text
    assert 'href="/integrations/%6Eew"' in page
    shown = await visitor.browse("/integrations/%6Eew")
    assert "Shop pixel" in words(shown.text)
    done = await fill(visitor, "/integrations/%6Eew/pause")
    assert done.headers["location"] == "/integrations/%6Eew"


async def test_names_of_people_are_text_and_never_markup(visitor: Visitor) -> None:
    name = "<script>alert(1)</script>"
    await made(visitor, name=name)
    for path in ("/integrations", HERE, f"{HERE}/events"):
        page = (await visitor.browse(path)).text
        assert name not in page
        assert html.escape(name) in page


async def test_a_form_without_the_page_s_phrase_changes_nothing(visitor: Visitor) -> None:
    await made(visitor)
    answer = await visitor.send(f"{HERE}/live", {"version": "1", "enabled": "false"})
    assert answer.status_code == 403
    assert (await known(visitor))["enabled"] is True
