"""The description that is served: true for every row, and for what a fuzzer finds."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from edgeproxy.admin.api import ENDPOINTS
from edgeproxy.public.endpoints import DESCRIBED
from tests.admin_http import admin
from tests.edge import ORIGIN, Life, StartEdge

TOKEN = "a-token-for-the-fuzzer-to-use"
WITHIN_S = 20


async def described(folder: Path) -> dict[str, Any]:
    async with admin(folder) as visitor:
        answer = await visitor.get("/openapi.json")
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found


async def test_it_is_valid_and_has_every_row(tmp_path: Path) -> None:
    found = await described(tmp_path)
    validate(found)
    there = {
        (method.upper(), path) for path, methods in found["paths"].items() for method in methods
    }
    rows = {(row.method, row.path) for row in (*ENDPOINTS, *DESCRIBED)}
    assert there == rows | {("GET", "/openapi.json")}
    ids = [each["operationId"] for methods in found["paths"].values() for each in methods.values()]
    assert len(ids) == len(set(ids))


async def test_every_row_of_the_admin_api_says_what_it_answers(tmp_path: Path) -> None:
    for row in ENDPOINTS:
        assert row.summary
        assert not row.summary.endswith(".")
        assert row.tag, row.path
        assert row.status == 204 or row.answer is not None or row.media != "application/json", (
            row.path
        )


def test_the_public_listener_serves_what_is_described(edge: StartEdge) -> None:
    life = edge.start()
    for row in DESCRIBED:
        path = row.path.replace("{id}", "pixel-1")
        answer = life.request(row.method, path, headers={"Origin": ORIGIN})
        assert answer.status not in (404, 405), row.path


def admin_url(life: Life) -> str:
    [line] = life.told("admin_listening")
    return str(line["url"])


@pytest.mark.slow
def test_a_fuzzer_finds_no_answer_that_is_not_described(edge: StartEdge, tmp_path: Path) -> None:
    """No 500, no status, type or shape that the document does not have, no refusal of nonsense."""
    life = edge.start(EDGEPROXY_ADMIN_TOKEN=TOKEN)
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run"),
        f"{admin_url(life)}/openapi.json",
        *("-H", f"Authorization: Bearer {TOKEN}"),
        *("--exclude-tag", "public"),
        *("--exclude-path", "/v1/admin/events/stream"),  # it has no end
        *("--max-examples", "20", "--max-time", str(WITHIN_S)),
        *("--phases", "coverage,fuzzing"),
        # What a schema cannot say is refused too, and who guesses tokens is told to wait.
        *("--exclude-checks", "positive_data_acceptance,ignored_auth"),
        *("--continue-on-failure", "--no-color", "--no-shrink"),
    ]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout
    assert life.process.poll() is None
    assert life.told("admin_request_failed") == []
