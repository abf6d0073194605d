"""`edgeproxy send-test` against the sandbox: what it says for each way in which it can fail."""

import json
import subprocess
import sys
from typing import Any

import pytest

from edgeproxy import trial
from edgeproxy.outcome import Verdict
from edgeproxy.wire import WireResponse
from tests import canary
from tests.edge import Snap, StartEdge, environment


def send_test(edge: StartEdge, *flags: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, the first integration's JSON, and everything printed."""
    done = subprocess.run(
        [sys.executable, "-m", "edgeproxy", "send-test", "--json", *flags],
        cwd=edge.folder,
        env=environment(edge),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    printed = json.loads(done.stdout) if done.stdout.strip() else [{}]
    first = printed[0] if isinstance(printed, list) else printed
    assert not canary.leaks_in((done.stdout + done.stderr).encode())
    return done.returncode, first, done.stdout + done.stderr


@pytest.mark.parametrize("api", ["v2", "v3"])
def test_a_good_connection_is_said_so(edge: StartEdge, snap: Snap, api: str) -> None:
    status, told, _ = send_test(edge, "--api", api)
    assert (status, told["ok"], told["status"]) == (0, True, 200)
    assert snap.events == []  # a test event counts nowhere
    [request] = snap.sandbox.requests
    assert request.path.endswith("/validate")


@pytest.mark.parametrize(
    ("status", "word"), [(401, "token"), (403, "right"), (404, "pixel"), (429, "rate"), (400, "")]
)
def test_a_refusal_is_explained(edge: StartEdge, snap: Snap, status: int, word: str) -> None:
    snap.sandbox.answer_with(status=status, body={"status": "FAILED", "reason": "Snap's words"})
    code, told, _ = send_test(edge)
    assert (code, told["ok"], told["status"]) == (1, False, status)
    assert word in told["message"]
    assert 'Snap says: "Snap\'s words"' in told["message"], "its words alone, not ours beside them"


def test_nobody_there_is_explained(edge: StartEdge) -> None:
    edge.environ["EDGEPROXY_UPSTREAM"] = "http://127.0.0.1:9"
    code, told, _ = send_test(edge)
    assert (code, told["status"]) == (1, None)
    assert "EDGEPROXY_UPSTREAM" in told["message"]


def test_a_purchase_can_be_tested_too(edge: StartEdge) -> None:
    assert send_test(edge, "--event", "PURCHASE")[0] == 0


def test_an_unknown_integration_is_named(edge: StartEdge) -> None:
    code, _, printed = send_test(edge, "--integration", "nobody")
    assert code == 1
    assert "nobody" in printed
    assert "default-67d34640" in printed


@pytest.mark.parametrize("fault", list(trial.FAULTS))
def test_every_fault_has_its_words(fault: str) -> None:
    verdict = Verdict(kind="transient")
    told = trial.in_plain_words(WireResponse(status=None, fault=fault), verdict)
    assert told == trial.FAULTS[fault]


def test_snaps_own_words_are_passed_on() -> None:
    verdict = Verdict(kind="rejected", status=200, message="Missing price")
    told = trial.in_plain_words(WireResponse(status=200), verdict)
    assert "Missing price" in told
