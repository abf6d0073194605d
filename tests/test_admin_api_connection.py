"""The connection test by API, and what is kept of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from edgeproxy.admin.api.connection import ODD_PIXEL, last_test, last_tests, made_with
from edgeproxy.sites import Secret, Source
from tests import canary
from tests.admin_calls import Caller, calling
from tests.fakes import PIXEL, START_MS, integration

FILE = Source(
    id="file",
    integrations=(
        integration(id="file-1", source="file", pixel_id=PIXEL),
        integration(id="file-2", source="file", pixel_id="odd"),
    ),
)
TEST = "/v1/admin/integrations/{}/test"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Caller]:
    async with calling(tmp_path, FILE) as caller:
        yield caller


async def test_the_last_result_is_kept_with_who_when_and_what_it_was_made_with(
    api: Caller,
) -> None:
    await api.call("POST", TEST.format("file-1"))
    api.result = msgspec.structs.replace(api.result, ok=False, status=None, message="no answer")
    await api.call("POST", TEST.format("file-1"))
    kept = await last_test(api.state, "file-1")
    assert kept is not None
    assert (kept.by, kept.at_ms, kept.tested.status) == ("jane", START_MS, None)
    assert kept.made_with == made_with(api.state, FILE.integrations[0])
    assert dict(await last_tests(api.state)) == {"file-1": kept}
    assert await last_test(api.state, "file-2") is None


async def test_it_stands_in_the_audit_log_and_no_token_anywhere(api: Caller) -> None:
    await api.call("POST", TEST.format("file-1"))
    assert await api.actions() == [("jane", "test", "file-1")]
    assert not canary.leaks_in(api.written())


async def test_only_a_failure_blames_the_form_of_the_pixel_id(api: Caller) -> None:
    good = await api.call("POST", TEST.format("file-2"))
    assert ODD_PIXEL not in good.body["message"]
    api.result = msgspec.structs.replace(api.result, ok=False, message="refused")
    bad = await api.call("POST", TEST.format("file-2"))
    assert bad.body["message"] == f"refused; {ODD_PIXEL}"
    well_formed = await api.call("POST", TEST.format("file-1"))
    assert well_formed.body["message"] == "refused"


async def test_what_it_was_made_with_changes_with_token_pixel_and_version(api: Caller) -> None:
    one = FILE.integrations[0]
    others = [
        msgspec.structs.replace(one, pixel_id="other"),
        msgspec.structs.replace(one, api="v3"),
        msgspec.structs.replace(one, pixel_id="", snap_app_id="app"),
        msgspec.structs.replace(one, access_token=Secret("another")),
    ]
    found = {made_with(api.state, each) for each in [one, *others]}
    assert len(found) == 5


async def test_one_that_is_not_there_is_not_tested(api: Caller) -> None:
    assert (await api.call("POST", TEST.format("nobody"))).status == 404
    assert api.probed == []
