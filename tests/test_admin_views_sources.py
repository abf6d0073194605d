"""The pages of sources through real HTTP: settings, write keys, what to paste."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edgeproxy.admin.views.source_paste import PLATFORMS
from edgeproxy.keys import token_digest
from edgeproxy.settings import Settings
from edgeproxy.sites import Source
from edgeproxy.snippets import PLATFORMS as KNOWN
from tests.admin_http import Visitor, admin
from tests.fakes import PIXEL, integration
from tests.test_admin_views_integrations import fill, followed
from tests.test_admin_views_overview import words

API = "/v1/admin/sources"
HERE = "/sources/shop"
SITE = "https://www.shop.example"
FILE = Source(
    id="file",
    origins=("http://localhost:3000",),
    write_key_digests=("ab" * 32,),
    integrations=(integration(id="file-1", source="file"),),
)


@pytest.fixture
async def visitor(tmp_path: Path) -> AsyncIterator[Visitor]:
    async with admin(tmp_path, FILE) as visitor:
        await visitor.log_in()
        yield visitor


async def made(visitor: Visitor, **more: Any) -> None:
    done = await visitor.caller.call("POST", API, {"id": "shop", "origins": [SITE], **more})
    assert done.status == 201, done.body


async def known(visitor: Visitor) -> Any:
    return (await visitor.caller.call("GET", f"{API}/shop")).body


async def test_without_any_the_page_says_what_one_is(tmp_path: Path) -> None:
    async with admin(tmp_path) as visitor:
        text = words((await visitor.get("/sources")).text)
        assert "No site may send yet" in text
        assert "New source" in text


async def test_the_list_says_what_is_missing(visitor: Visitor) -> None:
    await made(visitor, origins=[])
    text = words((await visitor.browse("/sources")).text)
    assert "shop no page may send nowhere required 0" in text
    assert "file configuration http://localhost:3000 file-1 required 1" in text


async def test_one_is_made_and_says_what_comes_next(visitor: Visitor) -> None:
    form = {"id": "shop", "origins": f"{SITE}\n https://b.shop.example,", "consent": "implied"}
    form["cookie_domain"] = ""
    done = await fill(visitor, "/sources/new", **form, default_country="", click_id_days="30")
    text = await followed(visitor, done)
    assert done.headers["location"] == HERE
    assert "Next: where do its events go?" in text
    now = await known(visitor)
    assert now["origins"] == [SITE, "https://b.shop.example"]
    assert (now["consent"], now["click_id_days"]) == ("implied", 30)
    again = await fill(visitor, "/sources/new", **form)
    assert again.status_code == 409
    assert "There is a source of this name already" in words(again.text)


async def test_faults_stand_at_their_fields_and_what_was_typed_stays(visitor: Visitor) -> None:
    form = {"id": "my shop", "origins": "shop.example", "default_country": "UK"}
    answer = await fill(visitor, "/sources/new", **form, click_id_days="many")
    assert answer.status_code == 422
    for part in (
        "must be 1 to 64 letters",
        "the United Kingdom is GB",
        "must be a whole number from 1 to 395",
    ):
        assert part in answer.text, part
    assert ">shop.example</textarea>" in answer.text
    assert answer.text.count('class="field wrong"') + answer.text.count("wide wrong") == 4


async def test_too_many_are_told_as_they_are(visitor: Visitor) -> None:
    for number in range(500):
        await visitor.state.office.put("source", f"n{number}", b"{}")
    answer = await fill(visitor, "/sources/new", id="more")
    assert "there are 500 sources" in words(answer.text).lower()


async def test_settings_are_changed_and_blank_goes_back_to_the_default(visitor: Visitor) -> None:
    await made(visitor, default_country="US", click_id_days=30)
    form = {
        "origins": SITE,
        "cookie_domain": "",
        "default_country": "",
        "click_id_days": "",
        "click_id_readable": "true",
        "consent": "required",
    }
    text = await followed(visitor, await fill(visitor, HERE, version="1", **form))
    assert "Saved: Cookie domain, Default country, Click id, days, Click id for scripts." in text
    now = await known(visitor)
    assert (now["cookie_domain"], now["default_country"], now["click_id_days"]) == ("auto", "", 90)
    assert now["click_id_readable"] is True
    same = await fill(visitor, HERE, version="2", origins=SITE)
    assert "Nothing was changed" in await followed(visitor, same)
    wrong = await fill(visitor, HERE, version="2", origins="not a host")
    assert wrong.status_code == 422


async def test_two_people_do_not_overwrite_each_other(visitor: Visitor) -> None:
    await made(visitor)
    await visitor.caller.call("PATCH", f"{API}/shop", {"origins": [SITE, "https://x.example"]})
    answer = await fill(visitor, HERE, version="1", origins=SITE, consent="implied")
    assert answer.status_code == 412
    text = words(answer.text)
    assert f"Origins {SITE} {SITE}, https://x.example" in text
    assert "Consent implied required" in text
    assert (await known(visitor))["consent"] == "required"
    untouched = await fill(visitor, HERE, version="1", consent="required")
    assert untouched.status_code == 412
    assert "Settings as below as below" in words(untouched.text)


async def test_a_write_key_is_shown_once_and_kept_as_a_digest(visitor: Visitor) -> None:
    await made(visitor)
    shown = await fill(visitor, f"{HERE}/keys")
    assert shown.status_code == 200
    assert "Copy it now" in shown.text
    [record] = await visitor.state.office.records("source")
    key = shown.text.partition("<pre")[2].partition("<code>")[2].partition("</code>")[0]
    assert token_digest(key).encode() in record.body
    assert key.encode() not in record.body
    page = (await visitor.browse(HERE)).text
    assert key not in page
    await fill(visitor, f"{HERE}/keys")
    full = words((await visitor.browse(HERE)).text)
    assert "Two at most" in full
    assert "Make a write key" not in full
    third = await fill(visitor, f"{HERE}/keys")
    assert third.status_code == 409
    [first, _] = (await known(visitor))["write_keys"]
    gone = await fill(visitor, f"{HERE}/keys/{first['id']}/revoke")
    assert "The write key is revoked" in await followed(visitor, gone)
    assert first["id"] not in (await visitor.browse(HERE)).text
    assert (await fill(visitor, f"{HERE}/keys/{first['id']}/revoke")).status_code == 404


async def test_it_is_deleted_after_a_question(visitor: Visitor) -> None:
    await made(visitor)
    stale = await fill(visitor, f"{HERE}/delete", version="9")
    assert stale.status_code == 412
    assert "somebody else changed it meanwhile" in words(stale.text).lower()
    text = await followed(visitor, await fill(visitor, f"{HERE}/delete", version="1"))
    assert "shop is deleted: its pages are refused with 403" in text
    assert "shop" not in visitor.state.registry.sources


async def test_one_with_integrations_is_not_deleted(visitor: Visitor) -> None:
    await made(visitor)
    config = {"pixel_id": PIXEL, "access_token": "tok"}
    await visitor.caller.call(
        "POST", "/v1/admin/integrations", {"source_id": "shop", "config": config}
    )
    assert "It still has integrations" in words((await visitor.browse(HERE)).text)
    assert (await fill(visitor, f"{HERE}/delete", version="1")).status_code == 409


def test_each_kind_of_site_that_there_is_a_snippet_for_has_a_tab() -> None:
    assert list(PLATFORMS) == list(KNOWN)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_what_to_paste_is_shown_for_each_kind_of_site(
    visitor: Visitor, platform: str
) -> None:
    await made(visitor)
    page = await visitor.browse(f"{HERE}?platform={platform}")
    assert page.status_code == 200
    assert "https://edge.shop.example" in page.text
    assert "A guess: put your own address." in page.text
    own = await visitor.browse(f"{HERE}?platform={platform}&endpoint=https://e.shop.example/in")
    assert "https://e.shop.example/in" in own.text
    assert "A guess" not in own.text
    assert 'endpoint=https%3A%2F%2Fe.shop.example%2Fin#paste"' in own.text


async def test_the_snippet_follows_the_source(visitor: Visitor) -> None:
    await made(visitor, consent="implied")
    assert "data-consent=&#34;implied&#34;" in (await visitor.browse(HERE)).text
    page = (await visitor.browse("/sources/file?platform=snaptr")).text
    assert PIXEL in page, "its only pixel is filled in"
    assert "http://localhost:8000/" in page, "its pages are on this machine"


@pytest.mark.parametrize("endpoint", ["edge.shop.example", "https://e.example/?a=<b>"])
async def test_a_wrong_address_is_told_at_its_field(visitor: Visitor, endpoint: str) -> None:
    await made(visitor)
    page = await visitor.browse(f"{HERE}?endpoint={endpoint}")
    assert page.status_code == 200
    assert "The address " in words(page.text)
    assert "<script async" not in page.text
    assert "<b>" not in page.text


async def test_an_odd_pixel_id_is_told_and_no_snippet_made(tmp_path: Path) -> None:
    odd = Source(id="odd", integrations=(integration(id="odd-1", source="odd", pixel_id="<odd>"),))
    async with admin(tmp_path, odd) as visitor:
        text = words((await visitor.get("/sources/odd?platform=snaptr")).text)
        assert "The pixel id must be the id of a pixel" in text


async def test_one_of_the_configuration_says_where_and_takes_no_change(tmp_path: Path) -> None:
    settings = Settings(sources=(FILE,), where={"sources[0].origins": "EDGEPROXY_ORIGIN"})
    async with admin(tmp_path, FILE, settings=settings) as visitor:
        await visitor.log_in()
        page = (await visitor.browse("/sources/file")).text
        assert "Defined in the environment, so it is read-only here" in words(page)
        assert 'action="/sources/file"' not in page
        for path in ("", "/keys", "/delete"):
            answer = await fill(visitor, f"/sources/file{path}", version="1", consent="implied")
            assert answer.status_code == 403, path


async def test_a_record_at_fault_is_shown_with_its_fault(visitor: Visitor) -> None:
    await made(visitor, origins=["http://localhost:3001"])
    body = b'{"document": {"origins": ["http://localhost:3000"]}}'
    await visitor.state.office.put("source", "shop", body)
    await visitor.state.live.refresh()
    assert "not all in use" in words((await visitor.browse("/sources")).text)
    text = words((await visitor.browse(HERE)).text)
    assert "http://localhost:3000 belongs to source file" in text


async def test_one_that_is_called_new_has_a_page_too(visitor: Visitor) -> None:
    await made(visitor, id="new")
    assert 'href="/sources/%6Eew"' in (await visitor.browse("/sources")).text
    assert "Origins" in words((await visitor.browse("/sources/%6Eew")).text)
