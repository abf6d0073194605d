"""A running demo, for the tests and for the README's pictures."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Demo:
    """A running demo: the addresses of the shop, of the dashboard and of our Snap."""

    shop: str
    dash: str
    snap: str

    @property
    def received(self) -> list[dict[str, Any]]:
        """What Snap got and would count, oldest first."""
        seen = _json(f"{self.snap}/_sandbox/received")["events"]
        return [
            each["event"]
            for each in seen
            if each["verdict"] == "accepted" and not each["duplicate"]
        ]

    @property
    def dock(self) -> dict[str, Any]:
        """What the shop shows beside it, as data."""
        found: dict[str, Any] = _json(f"{self.shop}/dock.json")
        return found

    @property
    def fates(self) -> list[tuple[str, str]]:
        """(name as the page called it, fate) of each event, oldest first."""
        return [
            (each["card"]["called"], each["card"]["fate"]) for each in self.dock["events"][::-1]
        ]


@contextmanager
def running_demo(*, past: bool = False) -> Iterator[Demo]:
    """`edgeproxy demo` in a process of its own on free ports, with its made-up week or without."""
    process = subprocess.Popen(
        [sys.executable, "-m", "edgeproxy", "demo", "--port", "0", *([] if past else ["--empty"])],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = ""
        for line in process.stdout:
            told += line
            if "Ctrl-C" in line:
                break
        found = dict(re.findall(r"^ +(shop|snap|API) +(http://[^\s,]+)", told, re.MULTILINE))
        # Its lines go on; nobody reads them, and a pipe takes 64 KiB.
        yield Demo(found["shop"], found["API"], found["snap"])
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _json(url: str) -> Any:
    with urllib.request.urlopen(url.replace("localhost", "127.0.0.1"), timeout=30) as answer:  # noqa: S310
        return json.load(answer)
