"""The privacy desk's pages: a lookup leaves no trace, an erasure asks first and gives a receipt."""

from pathlib import Path

from tests import canary
from tests.admin_http import TOKEN, admin
from tests.graveyard import SCID, SITE
from tests.test_admin_api_visitors import desk


async def test_look_up_erase_and_receipt(tmp_path: Path) -> None:
    async with desk(tmp_path) as (visitor, name):
        await visitor.log_in()
        phrase = await visitor.phrase()
        form = {"csrf": phrase, "kind": "email", "typed_secret": canary.EMAIL}
        found = await visitor.send("/privacy/lookup", form)
        assert found.status_code == 200
        assert name.hex() in found.text
        assert f"/v1/admin/visitors/export?visitor={name.hex()}" in found.text
        assert "for good?" in found.text
        assert not canary.leaks_in(found.content)

        form = {"csrf": phrase, "kind": "email", "visitor": name.hex()}
        gone = await visitor.send("/privacy/erase", form)
        assert gone.status_code == 303
        receipt = await visitor.browse(gone.headers["location"])
        assert "Erased. This is the receipt." in receipt.text
        assert name.hex() in receipt.text
        assert "looked up by e-mail address" in receipt.text
        assert gone.headers["location"] in (await visitor.browse("/privacy")).text

        form = {"csrf": phrase, "kind": "scid", "typed_secret": SCID}
        nothing = await visitor.send("/privacy/lookup", form)
        assert "Nothing is held" in nothing.text


async def test_what_is_no_address_is_told_and_not_shown_again(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        await visitor.log_in()
        phrase = await visitor.phrase()
        for typed in ("jane without an at", ""):
            form = {"csrf": phrase, "kind": "email", "typed_secret": typed}
            page = await visitor.send("/privacy/lookup", form)
            assert page.status_code == 422
            assert not typed or typed not in page.text
        nobody = await visitor.send("/privacy/erase", {"csrf": phrase, "kind": "email"})
        assert nobody.status_code == 422
        assert "look somebody up first" in nobody.text.lower()


async def test_the_empty_desk_and_an_empty_receipt_say_so(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        assert "Nobody was erased yet" in (await visitor.get("/privacy")).text
        done = await visitor.ask("DELETE", f"/v1/admin/visitors/{SCID}", bearer=TOKEN)
        page = await visitor.get(f"/privacy/receipts/{done.json()['id']}")
    assert "Nothing was held" in page.text
