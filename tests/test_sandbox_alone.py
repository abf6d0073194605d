"""The sandbox as a program: says where it is, works by the wall clock, ends as it is told."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from edgeproxy.errors import Failed
from edgeproxy.sandbox import run
from edgeproxy.web.listener import bind
from tests.edge import now_ms
from tests.test_sandbox_rules import V2, changed

PROGRAM = "import sys; from edgeproxy.sandbox import run; sys.exit(run(host='127.0.0.1', port=0))"


@contextmanager
def started() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first.startswith("Snap sandbox: http://127.0.0.1:")
            yield process, first.split()[-1]
        finally:
            process.kill()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_takes_events_of_now_and_ends_on_a_signal(number: signal.Signals, status: int) -> None:
    with started() as (process, url):
        event = changed(V2, {"timestamp": now_ms()})
        headers = {"Authorization": "Bearer any"}
        answer = httpx.post(f"{url}/v2/conversion", json=event, headers=headers, trust_env=False)
        assert answer.json()["status"] == "SUCCESS"
        process.send_signal(number)
        assert process.wait(15) == status


def test_a_taken_port_is_said_in_a_sentence() -> None:
    with bind("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        with pytest.raises(Failed, match=f"cannot listen on 127.0.0.1, port {port}"):
            run(host="127.0.0.1", port=port)
