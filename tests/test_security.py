"""What no request may reach, and what the code itself must not do."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge import (
    ORIGIN,
    PIXEL,
    Life,
    Snap,
    StartEdge,
    batch,
    now_ms,
    purchase,
    running_snap,
    serving,
)

ROOT = Path(__file__).parent.parent
SECRET = re.compile(r"(^|_)(token|secret|signature|password|write_key|api_key)$")


@pytest.fixture(scope="module")
def open_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """One proxy for all paths."""
    folder = tmp_path_factory.mktemp("security")
    with running_snap() as snap, serving(folder, snap.url) as life:
        yield life


def test_no_secret_is_compared_byte_by_byte() -> None:
    """`==` ends at the first difference, and so tells how far a guess was right."""
    found = []
    for path in sorted((ROOT / "edgeproxy").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Compare):
                continue
            if not any(isinstance(operator, (ast.Eq, ast.NotEq)) for operator in node.ops):
                continue
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Constant) for side in sides):
                continue
            names = [getattr(side, "attr", getattr(side, "id", "")) for side in sides]
            if any(SECRET.search(name) for name in names):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}")
    assert found == []


def test_the_linter_looks_for_unsafe_calls() -> None:
    """pickle, yaml, eval, shells, weak random numbers, asserts as checks: bandit's rules."""
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "S" in ruff["select"]
    assert not [rule for rule in ruff["ignore"] if rule.startswith("S")]
    excused = {
        rule
        for files, rules in ruff.get("per-file-ignores", {}).items()
        if not files.startswith("tests")
        for rule in rules
    }
    assert not [rule for rule in excused if rule.startswith("S")]


@pytest.mark.parametrize(
    "path",
    [
        "/../edgeproxy.toml",
        "/s.js/../../pyproject.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/static/s.js",
        "/tag.js",
        "/s.js%00.css",
        "//etc/passwd",
        "/s.0000000000000000.js",
        "/cmp.source.js",
        "/.env",
    ],
)
def test_no_path_leads_to_a_file(open_edge: Life, path: str) -> None:
    answer = open_edge.get(path)
    assert answer.status in (400, 404)
    assert len(answer.body) < 500


@pytest.mark.parametrize("path", ["/", "/e", "/consent", "/s.js", "/visit", "/i", "/healthz", "/x"])
@pytest.mark.parametrize("query", ["", "?next=https://evil.example/", "?url=//evil.example/"])
def test_no_answer_sends_anybody_elsewhere(open_edge: Life, path: str, query: str) -> None:
    for method in ("GET", "HEAD", "POST", "OPTIONS"):
        answer = open_edge.request(method, path + query, headers={"Origin": ORIGIN})
        assert not 300 <= answer.status < 400
        assert answer.header("Location") is None


def test_a_body_names_no_target(edge: StartEdge, snap: Snap) -> None:
    """Pixel, token and place come from the configuration; `pixels` only narrows."""
    life = edge.start()
    foreign = {
        "pixel_id": "00000000-0000-4000-8000-00000000dead",
        "access_token": "stolen-token",
        "upstream": "http://127.0.0.1:9",
    }
    told = purchase(**foreign, sent_at=now_ms())
    told["events"][0]["properties"] |= foreign
    assert life.post(told).json()["accepted"] == 1
    narrowed = life.post(batch({"name": "page"}, pixels=[foreign["pixel_id"]]))
    assert (narrowed.json()["accepted"], narrowed.json()["dropped"]) == (0, {"unmapped": 1})
    [event] = snap.arrived(1)
    assert event["pixel_id"] == PIXEL
    assert "dead" not in repr(event)
    assert "stolen" not in repr(event)


def test_names_of_visitors_make_no_counters(edge: StartEdge) -> None:
    """What is counted has names of ours, however many names come in."""
    life = edge.start()
    for number in range(0, 1000, 50):
        events = [{"name": f"made-up-{number + one}"} for one in range(50)]
        assert life.post(batch(*events)).json()["dropped"] == {"unmapped": 50}
    assert life.stop() == 0
    told = life.log.read_text()
    assert "dropped.unmapped" in told
    assert "made-up" not in told
