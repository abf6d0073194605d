"""Snap as the harness sees it: our sandbox, which may misbehave, and a record of what it got."""

import hashlib
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from edgeproxy.sandbox.call import Call, Reply
from edgeproxy.sandbox.records import Seen
from edgeproxy.sandbox.script import Answer, Script
from edgeproxy.sandbox.state import Sandbox
from tests import canary
from tests.edge import now_ms

NEXT_TOKEN = f"{canary.TOKEN}-next"
"""The token after a rotation; it holds the canary, so a leak of it is found too."""

Mode = Callable[["ChaoticSnap", Call], Answer | None]


@dataclass
class Story:
    """All that came of one event at one pixel.

    Attributes:
        first: The first copy, decoded.
        digest: Of its bytes.
        attempts: How often it came.
        taken: How often Snap processed it and found it good.
        counted: How often Snap would count it.
        refusable: Whether Snap ever said no to it alone or by name.
        altered: A later copy that was not the same, decoded.
    """

    first: dict[str, Any]
    digest: bytes
    attempts: int = 0
    taken: int = 0
    counted: int = 0
    refusable: bool = False
    altered: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request: when it came (monotonic), to which pixel, and the status that was answered."""

    at_s: float
    pixel: str
    status: int


@dataclass
class Record:
    """What one round brought."""

    stories: dict[tuple[str, str], Story] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)


class ChaoticSnap(Sandbox):
    """The sandbox, with a mode that may spoil each answer. `mode` is set from another thread."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(now_ms=now_ms, tokens={canary.TOKEN})
        self.rng = rng
        self.mode: Mode | None = None
        self.record = Record()
        self.lock = threading.Lock()

    def post(self, call: Call) -> Reply:
        """Answer as the mode says, and note everything."""
        at_s = time.monotonic()
        mode = self.mode
        answer = mode(self, call) if mode else None
        self.script = Script([answer] if answer else [])
        before = self.last_n
        reply = super().post(call)
        with self.lock:
            self._note(at_s, reply, self.since(before))
        return reply

    def renew(self) -> Record:
        """Begin a new record and forget what the sandbox kept; returns the old one."""
        with self.lock:
            old, self.record = self.record, Record()
        return old

    def _note(self, at_s: float, reply: Reply, seen: Sequence[Seen]) -> None:
        pixel = seen[0].asset if seen else ""
        self.record.arrivals.append(Arrival(at_s, pixel, reply.status))
        refused = reply.status in (400, 413, 422) and len(seen) == 1
        strange = reply.by is not None and reply.by.replaces and reply.status == 200
        for one in seen:
            story = self._story(one)
            story.attempts += 1
            story.taken += one.verdict == "accepted"
            story.counted += one.verdict == "accepted" and not one.duplicate
            story.refusable |= refused or strange or one.verdict == "refused"

    def _story(self, seen: Seen) -> Story:
        raw = bytes(memoryview(seen.event))
        digest = hashlib.sha256(raw).digest()
        story = self.record.stories.get((seen.asset, seen.id))
        if story is None:
            story = Story(msgspec.json.decode(raw), digest)
            self.record.stories[seen.asset, seen.id] = story
        elif digest != story.digest:
            story.altered = msgspec.json.decode(raw)
        return story


def _always(**answer: Any) -> Mode:
    made = msgspec.convert(answer, Answer)
    return lambda snap, call: made


def _sometimes(share: float, mode: Mode) -> Mode:
    return lambda snap, call: mode(snap, call) if snap.rng.random() < share else None


_PLACES: tuple[Literal["before", "after_headers", "mid_body"], ...] = (
    "before",
    "after_headers",
    "mid_body",
)


def _slow(snap: ChaoticSnap, call: Call) -> Answer:
    return Answer(delay_ms=snap.rng.randrange(200, 3000))


def _cut(snap: ChaoticSnap, call: Call) -> Answer:
    """The answer is lost; Snap has the events, or has not."""
    where = snap.rng.choice(_PLACES)
    return Answer(disconnect=where, process=snap.rng.random() < 0.5)


def _poisoned(id_: str, of_256: int = 8) -> bool:
    return hashlib.sha256(id_.encode()).digest()[0] < of_256


def _partial(snap: ChaoticSnap, call: Call) -> Answer | None:
    """About three events of a hundred are refused, always the same ones."""
    bad = tuple(id_ for id_ in _ids(call) if _poisoned(id_))
    return Answer(refuse_events=bad) if bad else None


def _half_bad(snap: ChaoticSnap, call: Call) -> Answer | None:
    """A request with one of every second event is refused as a whole."""
    return Answer(status=400, body="no") if any(_poisoned(i, 128) for i in _ids(call)) else None


def _poison(snap: ChaoticSnap, call: Call) -> Answer | None:
    """A request with a bad event is refused as a whole, without a word about which."""
    return Answer(status=400, body="no") if any(map(_poisoned, _ids(call))) else None


def _ids(call: Call) -> list[str]:
    body = msgspec.json.decode(call.body)
    events = body["data"] if isinstance(body, dict) and "data" in body else body
    events = events if isinstance(events, list) else [events]
    return [event.get("client_dedup_id") or event.get("event_id", "") for event in events]


MODES: dict[str, Mode] = {
    "503": _always(status=503),
    "flap": _sometimes(0.5, _always(status=502, body="<html>bad gateway")),
    "429": _sometimes(0.7, _always(status=429, headers={"retry-after": "1"})),
    "429-odd": _sometimes(0.7, _always(status=429, headers={"retry-after": "soon"})),
    "slow": _slow,
    "hang": _always(delay_ms=6000),
    "reset": _sometimes(0.7, _always(disconnect="before")),
    "cut": _sometimes(0.7, _cut),
    "garbage": _sometimes(0.3, _always(status=200, body="<html>welcome", process=True)),
    "partial": _partial,
    "poison": _poison,
    "half bad": _half_bad,
    "redirect": _always(status=302, headers={"location": "http://127.0.0.1:9/elsewhere"}),
    "huge": _always(status=503, body="x" * 2_000_000),
}
"""How Snap may behave for a while."""


def stories_by_pixel(record: Record) -> dict[str, dict[str, Story]]:
    """The stories of each pixel by event id."""
    found: dict[str, dict[str, Story]] = defaultdict(dict)
    for (pixel, id_), story in record.stories.items():
        found[pixel][id_] = story
    return found
