"""Dead letters as files: all of a filter, in pages, and nothing that a spreadsheet calculates."""

import csv
import io
import json
from pathlib import Path

import pytest

from edgeproxy.admin.exports import COLUMNS, PAGE, guarded
from tests.admin_http import admin
from tests.graveyard import SHOP, SITE, bury

EXPORT = "/v1/admin/dead/export"


async def test_json_lines_hold_every_one_of_a_filter_with_its_event(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        await bury(visitor.caller.store, *range(PAGE + 3))
        await bury(visitor.caller.store, "x", reason="expired")
        answer = await visitor.get(f"{EXPORT}?reason=rejected")

    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert len({one["id"] for one in lines}) == len(lines) == PAGE + 3
    assert lines[-1]["stored"]["who"] == {"email_sha256": "ab" * 32}
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert answer.headers["content-disposition"] == (
        'attachment; filename="dead-letters-2024-01-29.jsonl"'
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


async def test_csv_has_a_head_and_guards_against_formulas(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        await bury(visitor.caller.store, "a", detail='=HYPERLINK("http://x","y")\n"quoted"')
        answer = await visitor.get(f"{EXPORT}?format=csv&integration={SHOP}")

    head, row = csv.reader(io.StringIO(answer.text))
    assert tuple(head) == COLUMNS
    facts = dict(zip(head, row, strict=True))
    assert facts["detail"] == '\'=HYPERLINK("http://x","y")\n"quoted"'
    assert (facts["event_id"], facts["source"], facts["email_sha256"]) == ("ea", "shop", "ab" * 32)
    assert facts["died"] == "2024-01-29T14:53:20Z"
    assert "scid" not in head
    assert "11111111-2222" not in answer.text


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_becomes_text(cell: str) -> None:
    assert guarded(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "12.5", "Snap said -1", "a@b"])
def test_other_cells_stay(cell: str) -> None:
    assert guarded(cell) == cell


async def test_an_empty_export_is_empty_and_another_format_is_refused(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        assert (await visitor.get(EXPORT)).text == ""
        assert (await visitor.get(f"{EXPORT}?format=xlsx")).status_code == 422
        assert (await visitor.ask("GET", EXPORT)).status_code == 401
