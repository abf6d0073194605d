"""The `Store` protocol, its values and its promises; one test suite holds every engine to them.

The store keeps addressed, labelled bytes. It filters by integration, name, visitor and time and
never looks into `body`, `sealed` or `traits`, except for the text that `visitors_with` is given.
Durations cross this interface, not instants, except for `event_time_ms` and `expires_ms`, which are
facts of the event (Unix ms).

The ledger counts rows (event x integration), per integration:
`accepted + replayed = delivered + dead + erased + pending`.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

import msgspec

from edgeproxy.outcome import GateState
from edgeproxy.store.office import Office

SEEN_S = 48 * 3600
"""How long an event id collapses, from acceptance and again from delivery."""

SEEN_ORDER_S = 30 * 86400
"""How long an order id of a PURCHASE collapses."""

DEAD_S = 30 * 86400
"""How long a dead letter is kept."""

VISITORS_MAX = 1000
"""`visitors_with` finds no more."""

IDENTITY_S = 395 * 86400
"""How long the digests of a visitor are kept after they were last used."""


class Entry(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One row to be: one event for one integration.

    Attributes:
        key: 16 bytes, names (integration, Snap event, event id); the dedup key.
        order_key: 16 bytes, names (integration, order id) of a PURCHASE; b"" for none.
        visitor: 16 bytes, names the visitor within the source; b"" for none.
        name: Snap's event name, a label.
        body: The canonical event; opaque.
        sealed: Encrypted extras; opaque; b"" for none. Erased when the row is settled.
        event_time_ms: When it happened.
        expires_ms: When it is too old to be sent; then it becomes a dead letter `expired`.
        fill: A flat JSON object of texts, as in `Binding.traits`: when the entry is a duplicate of
            a row that still waits, what is missing in `Row.known` of that row is taken from it.
    """

    integration: str
    key: bytes
    order_key: bytes = b""
    visitor: bytes = b""
    name: str
    body: bytes
    sealed: bytes = b""
    event_time_ms: int
    expires_ms: int
    fill: bytes = b""


class Binding(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is now known of a visitor: a flat JSON object of texts, merged over what was known.

    With `forget`, what was known is deleted first (`traits` may then be b"{}").
    """

    visitor: bytes
    traits: bytes = b"{}"
    forget: bool = False


class Item(msgspec.Struct, frozen=True, gc=False):
    """One event as the store sees it: its rows, and perhaps a change of the visitor's identity.

    The binding takes effect before the item's own rows: they, and every later row of the visitor,
    are handed out with the traits as they were when the row was accepted (`Row.known`).
    """

    entries: tuple[Entry, ...] = ()
    binding: Binding | None = None


class Fate(Enum):
    """What became of one entry."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"


class Row(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One row handed out by `claim`.

    `attempt` counts from 1. `known` is b"" or traits. `age_s`: since it was accepted, as far as
    the clocks agree.
    """

    id: int
    key: bytes
    visitor: bytes
    name: str
    body: bytes
    sealed: bytes
    known: bytes
    attempt: int
    event_time_ms: int
    age_s: float = 0.0


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that belong to one claimant until the lease is over. Falsy when empty."""

    token: bytes
    integration: str
    rows: tuple[Row, ...]
    probe: bool = False

    def __bool__(self) -> bool:
        return bool(self.rows)


class Retry(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Put a row back. `counted=False` gives the attempt back (429, shutdown)."""

    id: int
    delay_s: float
    error: str = ""
    counted: bool = True


class Dead(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Make a row a dead letter. `reason` is of `DEAD_REASONS`, `detail` is for people."""

    id: int
    reason: str
    detail: str = ""


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """Whether an integration's rows are handed out.

    `probe_in_s` is None when no probe will ever come (`open`, `paused_manual`).
    `backoff_s` and `good` are delivery's own notes: the last wait, and probes passed in a row.
    """

    integration: str
    state: GateState = "open"
    reason: str = ""
    since_ms: int = 0
    probe_in_s: float | None = None
    backoff_s: float = 0.0
    good: int = 0
    token_fp: str = ""


LEDGER = (
    "accepted",
    "duplicate",
    "delivered",
    "dead",
    "erased",
    "replayed",
    "replay_dup",
    "discarded",
    "erased_dead",
    "aged_out",
)
"""The fields of `Counts` that the ledger keeps: they only ever grow."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger and the queue of one integration. `oldest_s` is the age of the oldest row."""

    integration: str
    accepted: int = 0
    duplicate: int = 0
    delivered: int = 0
    dead: int = 0
    erased: int = 0
    replayed: int = 0
    replay_dup: int = 0
    discarded: int = 0
    erased_dead: int = 0
    aged_out: int = 0
    pending: int = 0
    leased: int = 0
    dead_now: int = 0
    oldest_s: float = 0.0

    @property
    def balanced(self) -> bool:
        """Whether both equations of the ledger hold."""
        return (
            self.accepted + self.replayed == self.delivered + self.dead + self.erased + self.pending
            and self.dead_now
            == self.dead
            - self.replayed
            - self.replay_dup
            - self.discarded
            - self.erased_dead
            - self.aged_out
        )


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter, for people and for replay."""

    id: int
    integration: str
    name: str
    body: bytes
    event_time_ms: int
    died_ms: int
    attempt: int
    reason: str
    detail: str
    visitor: bytes = b""


class DeadCount(msgspec.Struct, frozen=True, kw_only=True):
    """So many dead letters of one integration, reason and Snap event name, and when they died."""

    integration: str
    reason: str
    name: str
    n: int
    oldest_ms: int
    newest_ms: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """One row in the queue, for people. `leased`: somebody is sending it now."""

    id: int
    integration: str
    name: str
    body: bytes
    event_time_ms: int
    created_ms: int
    attempt: int
    leased: bool
    error: str


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What the store has of one visitor.

    `waiting` and `dead` are the newest, at most as many as were asked for; `waiting_n` and
    `dead_n` count all. `last_seen_ms` is when the traits were last used, to the day.
    """

    traits: bytes = b""
    last_seen_ms: int | None = None
    waiting: tuple[Waiting, ...] = ()
    dead: tuple[DeadLetter, ...] = ()
    waiting_n: int = 0
    dead_n: int = 0

    def __bool__(self) -> bool:
        return bool(self.traits or self.waiting_n or self.dead_n)


class Reader(Protocol):
    """A store that is only looked into; see `Store` for what each method says."""

    @property
    def office(self) -> Office:
        """See `Store.office`; nothing can be put into it."""
        ...

    async def stats(self) -> Sequence[Counts]:
        """See `Store.stats`."""
        ...

    async def gate(self, integration: str) -> Gate:
        """See `Store.gate`."""
        ...

    async def dead_letters(
        self,
        *,
        integration: str | None = None,
        reason: str | None = None,
        name: str | None = None,
        ids: Sequence[int] | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[DeadLetter]:
        """See `Store.dead_letters`."""
        ...

    async def dead_counts(self) -> Sequence[DeadCount]:
        """See `Store.dead_counts`."""
        ...

    async def held(self, visitor: bytes, *, limit: int = 100) -> Held:
        """See `Store.held`."""
        ...

    async def visitors_with(self, trait: str, value: str) -> Sequence[bytes]:
        """See `Store.visitors_with`."""
        ...

    async def close(self) -> None:
        """Let go of it. Idempotent."""
        ...


Told = Callable[[Sequence[Sequence[Fate]], BaseException | None], None]
"""Called in the event loop with the fates of items, or with why there are none."""


class Store(Protocol):
    """What every engine does. All methods raise `StoreBusy` when the engine cannot answer now."""

    @property
    def office(self) -> Office:
        """What people make at run time, and the audit log."""
        ...

    async def append(self, items: Sequence[Item]) -> Sequence[Sequence[Fate]]:
        """Make the items durable, all or none, in order; return one fate for each entry.

        An entry is new when neither its key nor its order key is live; then both are kept for
        `SEEN_S` / `SEEN_ORDER_S`. Durable (synced to disk) when this returns. A caller that is
        cancelled does not undo the commit.

        Raises:
            StoreBusy: Nothing was stored, or it is not known: the caller may repeat.
        """
        ...

    def submit(self, items: Sequence[Item], told: Told) -> None:
        """`append` without a task of its own: `told` is called later, exactly once.

        Raises:
            StoreBusy: As `append`; then `told` is not called.
        """
        ...

    async def claim(self, integration: str, *, limit: int, max_bytes: int, lease_s: float) -> Lease:
        """Hand out what is due, oldest first, to one claimant, until `lease_s` from now.

        At least one row, however large, when any is due. With the gate not `open`: nothing, or
        exactly one row when a probe is due, and the next probe is put off by `Gate.backoff_s` in
        the same transaction, so that exactly one claimant probes. `paused_reject` probes with the
        newest row, the others with the oldest. A row that is not settled in time is handed out
        again with `attempt` one higher.
        """
        ...

    async def settle(
        self,
        lease: Lease,
        *,
        delivered: Sequence[int] = (),
        retry: Sequence[Retry] = (),
        dead: Sequence[Dead] = (),
    ) -> int:
        """Book the outcome of rows; return how many still carried this lease.

        Rows of a lost lease are not touched (fencing). delivered: the row goes, its keys live on
        for `SEEN_S` / `SEEN_ORDER_S` from now. retry: due again after the delay. dead: moved with
        its reason, sealed data dropped, keys released (but kept for `ambiguous_200`).
        """
        ...

    async def renew(self, lease: Lease, lease_s: float) -> int:
        """Extend a lease; return how many rows still carry it."""
        ...

    async def carried(self, lease: Lease) -> Sequence[int]:
        """The ids of the rows that still carry a lease: not erased, and nobody else's."""
        ...

    async def recover(self, *, everything: bool = False) -> int:
        """Put rows of expired leases (or of all leases) back; return how many."""
        ...

    async def gate(self, integration: str) -> Gate:
        """The gate as it stands; `open` when it was never set."""
        ...

    async def set_gate(self, gate: Gate) -> None:
        """Set the gate (`since_ms` is the store's). `open` also makes waiting retries due now."""
        ...

    async def acquire(
        self, integration: str, *, rate: float, burst: int, per_minute: int | None = None
    ) -> float:
        """Take one request from the shared limiter (GCRA): 0.0 is granted, else seconds to wait.

        Durable: a restart gives no new burst.
        """
        ...

    async def waiting(self, integration: str) -> tuple[int, float]:
        """How many unleased rows are due, and seconds until the next one (0.0 when some are)."""
        ...

    async def recall(self, visitor: bytes) -> int:
        """Erase the visitor's queued rows (leased ones too) and identity; return rows erased."""
        ...

    async def forget(self, visitor: bytes) -> int:
        """`recall`, and the visitor's dead letters too."""
        ...

    async def known(self, visitor: bytes) -> bytes:
        """The traits bound to a visitor, or b""."""
        ...

    async def sweep(self, *, limit: int = 5000) -> int:
        """Expire, age out and checkpoint, at most `limit` rows of each kind; return rows moved."""
        ...

    async def stats(self) -> Sequence[Counts]:
        """The ledger and queue of every integration that ever had a row."""
        ...

    async def dead_letters(
        self,
        *,
        integration: str | None = None,
        reason: str | None = None,
        name: str | None = None,
        ids: Sequence[int] | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[DeadLetter]:
        """The newest dead letters, highest id first.

        Args:
            integration: Only those of this one.
            reason: Only those with this reason.
            name: Only those with this Snap event name.
            ids: Only these.
            before: Only those with a smaller id: the next page.
            limit: At most so many.
        """
        ...

    async def dead_counts(self) -> Sequence[DeadCount]:
        """All dead letters, counted; ordered by integration, reason and name."""
        ...

    async def held(self, visitor: bytes, *, limit: int = 100) -> Held:
        """What there is of a visitor; nothing for b""."""
        ...

    async def visitors_with(self, trait: str, value: str) -> Sequence[bytes]:
        """The visitors of whom a text is known, in traits, queued rows and dead letters.

        Everything is read, a bounded slice at a time: for people who ask about a person, not for
        events. At most `VISITORS_MAX` are found.

        Args:
            trait: A name in the JSON that was stored, such as "email_sha256".
            value: What stands there, complete.

        Raises:
            ValueError: The name or the value is no plain text.
        """
        ...

    async def replay(self, ids: Sequence[int]) -> int:
        """Queue dead letters again (keys written again); return how many came back."""
        ...

    async def discard(self, ids: Sequence[int]) -> int:
        """Delete dead letters; return how many."""
        ...

    async def meta(self, name: str, value: str | None = None) -> str:
        """Read a note of the installation, writing `value` first when there is none yet."""
        ...

    async def check(self) -> None:
        """Write nothing durably; returns when an event could be made durable now.

        Raises:
            StoreBusy: It could not.
        """
        ...

    async def close(self) -> None:
        """Finish what is queued, checkpoint, close. Idempotent."""
        ...
