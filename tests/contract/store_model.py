"""A store as a few dictionaries: what the real ones must do, said the shortest way.

Times are Unix ms. The model knows who owns which lease, so it can say how many rows a `settle`
books; rows are told apart by their bodies, which are unique.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from edgeproxy.store.base import (
    DEAD_S,
    SEEN_ORDER_S,
    SEEN_S,
    Counts,
    Dead,
    Entry,
    Fate,
    Gate,
    Item,
    Lease,
    Retry,
)

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
SEEN_MS = SEEN_S * 1000
SEEN_ORDER_MS = SEEN_ORDER_S * 1000
LATE_MS = HOUR_MS  # a store may keep dedup keys so much longer


@dataclass
class ModelRow:
    entry: Entry
    known: bytes
    created: int
    due: int
    serial: int
    attempt: int = 0
    owner: bytes | None = None
    until: int = 0


@dataclass
class ModelLetter:
    row: ModelRow
    died: int
    reason: str


@dataclass
class Model:
    """Everything that is durable, the latest time at which something was written among it."""

    latest: int = 0
    rows: dict[bytes, ModelRow] = field(default_factory=dict)
    dead: dict[bytes, ModelLetter] = field(default_factory=dict)
    seen: dict[bytes, int] = field(default_factory=dict)
    swept: set[bytes] = field(default_factory=set)
    traits: dict[bytes, dict[str, str]] = field(default_factory=dict)
    gates: dict[str, tuple[str, int | None, float]] = field(default_factory=dict)
    ledger: Counter[tuple[str, str]] = field(default_factory=Counter)
    serial: int = 0

    def write(self, now: int) -> None:
        """Before each write: a clock that was set back must not make anything wait."""
        if now < self.latest - 1000:
            for row in self.rows.values():
                row.due = min(row.due, now)
                row.until = min(row.until, now + 2 * MINUTE_MS)
            for name, (state, probe_at, backoff_s) in self.gates.items():
                if probe_at is not None:
                    sooner = min(probe_at, now + round(backoff_s * 1000))
                    self.gates[name] = (state, sooner, backoff_s)
        self.latest = now

    def lives(self, key: bytes, now: int) -> bool | None:
        """Whether a key collapses events; None when a store may say either."""
        until = self.seen.get(key, 0)
        if key in self.swept:
            return None
        return True if until > now else None if until + LATE_MS > now else False

    def keep(self, entry: Entry, now: int) -> None:
        self._keep_one(entry.key, now + SEEN_MS)
        if entry.order_key:
            self._keep_one(entry.order_key, now + SEEN_ORDER_MS)

    def _keep_one(self, key: bytes, until: int) -> None:
        self.seen[key] = until
        self.swept.discard(key)

    def release(self, entry: Entry) -> None:
        for key in (entry.key, entry.order_key):
            self.seen.pop(key, None)
            self.swept.discard(key)

    def add(self, entry: Entry, known: bytes, now: int) -> None:
        self.serial += 1
        self.rows[entry.body] = ModelRow(entry, known, now, now, self.serial)

    def append(self, items: Sequence[Item], fates: Sequence[Sequence[Fate]], now: int) -> None:
        """Follow a call, and check the fates that the store gave."""
        for item, given in zip(items, fates, strict=True):
            self._bind(item)
            for entry, fate in zip(item.entries, given, strict=True):
                self._append_one(entry, fate, now)

    def _bind(self, item: Item) -> None:
        if (binding := item.binding) and binding.visitor:
            if binding.forget:
                self.traits.pop(binding.visitor, None)
            if new := json.loads(binding.traits):
                self.traits[binding.visitor] = self.traits.get(binding.visitor, {}) | new

    def _append_one(self, entry: Entry, fate: Fate, now: int) -> None:
        keys = [key for key in (entry.key, entry.order_key) if key]
        lives = [self.lives(key, now) for key in keys]
        if True in lives:
            assert fate is Fate.DUPLICATE
        elif None not in lives:
            assert fate is Fate.ACCEPTED
        self.ledger[entry.integration, fate.value] += 1
        if fate is Fate.ACCEPTED:
            self.keep(entry, now)
            self.add(entry, written(self.traits.get(entry.visitor, {})), now)

    def recover(self, now: int, *, everything: bool = False) -> int:
        over = [
            row
            for row in self.rows.values()
            if row.owner and (everything or row.until <= now or row.until > now + 10 * MINUTE_MS)
        ]
        for row in over:
            row.owner = None
        return len(over)

    def due(self, integration: str, now: int) -> list[ModelRow]:
        found = [
            row
            for row in self.rows.values()
            if row.entry.integration == integration
            and row.owner is None
            and (row.due <= now or row.due > now + HOUR_MS)
            and row.entry.expires_ms > now
        ]
        return sorted(
            found, key=lambda row: (row.due, row.entry.expires_ms, row.created, row.serial)
        )

    def claim(
        self, integration: str, now: int, *, limit: int, max_bytes: int
    ) -> tuple[list[ModelRow], bool]:
        """The rows that a claim must hand out, in order, and whether they are a probe."""
        self.recover(now)
        due = self.due(integration, now)
        state, probe_at, backoff_s = self.gates.get(integration, ("open", None, 0.0))
        if state != "open":
            if probe_at is None or now < probe_at <= now + HOUR_MS or not due:
                return [], False
            self.gates[integration] = (state, now + round(max(backoff_s, 1.0) * 1000), backoff_s)
            newest = max(due, key=lambda row: (row.created, row.serial))
            return [newest if state == "paused_reject" else due[0]], True
        taken: list[ModelRow] = []
        size = 0
        for row in due[:limit]:
            size += len(row.entry.body) + len(row.entry.sealed) + len(row.known)
            if taken and size > max_bytes:
                break
            taken.append(row)
        return taken, False

    def hand_out(self, rows: Iterable[ModelRow], lease: Lease, now: int, lease_s: int) -> None:
        for row in rows:
            row.owner = lease.token
            row.until = now + lease_s * 1000
            row.attempt += 1

    def owned(self, lease: Lease) -> dict[int, ModelRow]:
        """What of a lease still is its claimant's, by the id that the store gave."""
        mine = {}
        for handed in lease.rows:
            row = self.rows.get(handed.body)
            if row and row.owner == lease.token:
                mine[handed.id] = row
        return mine

    def settle(
        self,
        lease: Lease,
        now: int,
        delivered: Sequence[int],
        retry: Sequence[Retry],
        dead: Sequence[Dead],
    ) -> int:
        mine = self.owned(lease)
        booked = 0
        for id_ in delivered:
            if row := mine.pop(id_, None):
                booked += 1
                del self.rows[row.entry.body]
                self._keep_longer(row.entry, now)
                self.ledger[lease.integration, "delivered"] += 1
        for back in retry:
            if row := mine.pop(back.id, None):
                booked += 1
                row.owner = None
                row.due = now + round(back.delay_s * 1000)
                row.attempt -= not back.counted
        for letter in dead:
            if row := mine.pop(letter.id, None):
                booked += 1
                self.bury(row, now, letter.reason)
        return booked

    def _keep_longer(self, entry: Entry, now: int) -> None:
        before, unsure = dict(self.seen), set(self.swept)
        self.keep(entry, now)
        for key in (entry.key, entry.order_key):
            if before.get(key, 0) > self.seen.get(key, 0):  # a clock set back makes none shorter
                self.seen[key] = before[key]
                self.swept |= unsure & {key}

    def bury(self, row: ModelRow, now: int, reason: str) -> None:
        del self.rows[row.entry.body]
        self.dead[row.entry.body] = ModelLetter(row, now, reason)
        self.ledger[row.entry.integration, "dead"] += 1
        self.release(row.entry)
        if reason == "ambiguous_200":
            self.keep(row.entry, now)

    def sweep(self, now: int) -> tuple[int, int]:
        """The fewest and the most that a sweep may have moved."""
        moved = 0
        for row in list(self.rows.values()):
            if row.owner is None and row.entry.expires_ms <= now:
                self.bury(row, now, "expired")
                moved += 1
        for body, letter in list(self.dead.items()):
            if letter.died <= now - DEAD_S * 1000:
                del self.dead[body]
                self.ledger[letter.row.entry.integration, "aged_out"] += 1
                moved += 1
        over = [key for key, until in self.seen.items() if until <= now]
        self.swept.update(over)
        return moved, moved + len(over)

    def has_later_copy(self, letter: ModelLetter, now: int) -> bool | None:
        """Whether a copy took the place of a dead letter; None when a store may say either."""
        entry, own = letter.row.entry, letter.reason == "ambiguous_200"
        keys = ((entry.key, SEEN_MS), (entry.order_key, SEEN_ORDER_MS))
        lives = [
            self.lives(key, now)
            for key, keep_ms in keys
            if key and not (own and self.seen.get(key) == letter.died + keep_ms)
        ]
        return True if True in lives else None if None in lives else False

    def replay(self, bodies: Sequence[bytes], now: int) -> int:
        back = 0
        for body in bodies:
            letter = self.dead.pop(body)
            entry = letter.row.entry
            if self.has_later_copy(letter, now):
                self.ledger[entry.integration, "replay_dup"] += 1
                continue
            self.keep(entry, now)
            self.ledger[entry.integration, "replayed"] += 1
            self.add(replace(entry, sealed=b""), letter.row.known, now)
            back += 1
        return back

    def discard(self, bodies: Sequence[bytes]) -> int:
        for body in bodies:
            letter = self.dead.pop(body)
            self.ledger[letter.row.entry.integration, "discarded"] += 1
        return len(bodies)

    def recall(self, visitor: bytes) -> int:
        self.traits.pop(visitor, None)
        mine = [row for row in self.rows.values() if visitor and row.entry.visitor == visitor]
        for row in mine:
            del self.rows[row.entry.body]
            self.ledger[row.entry.integration, "erased"] += 1
        return len(mine)

    def forget(self, visitor: bytes) -> int:
        gone = self.recall(visitor)
        for body, letter in list(self.dead.items()):
            if visitor and letter.row.entry.visitor == visitor:
                del self.dead[body]
                gone += 1
                self.ledger[letter.row.entry.integration, "erased_dead"] += 1
        return gone

    def set_gate(self, gate: Gate, now: int) -> None:
        probe_at = None
        if gate.probe_in_s is not None and gate.state not in ("open", "paused_manual"):
            probe_at = now + round(gate.probe_in_s * 1000)
        self.gates[gate.integration] = (gate.state, probe_at, gate.backoff_s)
        if gate.state == "open":
            for row in self.rows.values():
                if row.entry.integration == gate.integration and row.owner is None:
                    row.due = min(row.due, now)

    def waiting(self, integration: str, now: int) -> tuple[int, float]:
        if due := self.due(integration, now):
            return len(due), 0.0
        later = [
            row.due
            for row in self.rows.values()
            if row.entry.integration == integration
            and row.owner is None
            and row.entry.expires_ms > now
        ]
        return 0, (min(later) - now) / 1000 if later else float("inf")

    def counts(self, integration: str, now: int) -> Counts:
        rows = [row for row in self.rows.values() if row.entry.integration == integration]
        letters = [each for each in self.dead.values() if each.row.entry.integration == integration]
        ledger: dict[str, Any] = {
            kind: n for (whose, kind), n in self.ledger.items() if whose == integration
        }
        return Counts(
            integration=integration,
            pending=len(rows),
            leased=sum(row.owner is not None for row in rows),
            dead_now=len(letters),
            oldest_s=max((max(0, now - row.created) / 1000 for row in rows), default=0.0),
            **ledger,
        )


def written(traits: dict[str, str]) -> bytes:
    """Traits as a row carries them; b"" for none."""
    return json.dumps(traits, separators=(",", ":")).encode() if traits else b""
