"""What the sandbox remembers of all that came: counts, the last events and requests, the ids."""

from collections import deque
from collections.abc import Sequence

import msgspec

from edgeproxy.sandbox import answers
from edgeproxy.sandbox.bodies import Piece
from edgeproxy.sandbox.call import Call, fingerprint
from edgeproxy.sandbox.dedup import Ledger
from edgeproxy.sandbox.records import (
    KEEP_BYTES,
    KEEP_EVENTS,
    KEEP_REQUESTS,
    Asked,
    Counts,
    Hours,
    Kept,
    Seen,
)
from edgeproxy.sandbox.rules import Judged

_DAY_MS = 86_400_000


class Memory:
    """All that came since the start or the last reset.

    Args:
        ids_only: Keep counts and ids, no events and no requests.
        max_ids: How many ids are remembered for counting repetitions.
        last_n: The number of the newest event before; numbers go on growing.
    """

    def __init__(self, *, ids_only: bool, max_ids: int, last_n: int = 0) -> None:
        self.counts = Counts()
        self.kept = Kept(KEEP_EVENTS, KEEP_BYTES)
        self.requests: deque[Asked] = deque(maxlen=KEEP_REQUESTS)
        self.ledger = Ledger(max_ids)
        self.last_n = last_n
        self._hours = Hours()
        self._ids_only = ids_only

    def take_live(
        self, call: Call, pieces: Sequence[Piece], judged: Sequence[Judged], now_ms: int
    ) -> None:
        """Count judged events; in v3 one bad event keeps the others of its batch out."""
        spoilt = call.dialect == "v3" and any(one.faults for one in judged)
        for piece, one in zip(pieces, judged, strict=True):
            attempt = self.ledger.arrive(piece, live=True)
            self.counts.received += 1
            self._hours.add(piece.asset, "live", now_ms)
            if one.faults:
                self.counts.refused += 1
                self._see(call, piece, now_ms, "refused", one, attempt=attempt)
            elif spoilt:
                self.counts.not_taken += 1
                note = "another event of the same request is bad"
                self._see(call, piece, now_ms, "not_taken", one, attempt=attempt, note=note)
            else:
                repeated, again = self.ledger.count(piece, now_ms)
                self.counts.duplicates += repeated
                self.counts.unique += not repeated
                self.counts.seen_again += again
                self._see(call, piece, now_ms, "accepted", one, attempt=attempt, duplicate=repeated)

    def take_test(
        self, call: Call, pieces: Sequence[Piece], judged: Sequence[Judged], now_ms: int
    ) -> None:
        """Note judged events of a validate path; Snap keeps them out of its counts."""
        for piece, one in zip(pieces, judged, strict=True):
            self.counts.tested += 1
            self._hours.add(piece.asset, "validate", now_ms)
            attempt = self.ledger.arrive(piece, live=False)
            verdict = "refused" if one.faults else "accepted"
            self._see(call, piece, now_ms, verdict, one, attempt=attempt)

    def pass_over(self, call: Call, pieces: Sequence[Piece], note: str, now_ms: int) -> None:
        """Note events about which nothing was said."""
        live = call.endpoint == "live"
        for piece in pieces:
            attempt = self.ledger.arrive(piece, live=live)
            if live:
                self.counts.received += 1
                self.counts.not_taken += 1
            else:
                self.counts.tested += 1
            self._see(call, piece, now_ms, "not_taken", Judged(), attempt=attempt, note=note)

    def note(
        self, call: Call, *, at_ms: int, status: int | None, events: int = 0, scripted: bool = False
    ) -> None:
        """Note a request and its answer."""
        self.counts.requests += 1
        if self._ids_only:
            return
        self.requests.append(
            Asked(
                n=self.counts.requests,
                at=at_ms,
                method=call.method,
                path=call.path,
                token=fingerprint(call.token),
                status=status,
                events=events,
                scripted=scripted,
            )
        )

    def stats(self, asset: str, now_ms: int) -> answers.Body:
        """Test and live events of the last hour."""
        return {
            "test": self._hours.stats(asset, "validate", now_ms),
            "live": self._hours.stats(asset, "live", now_ms),
        }

    def logs(self, dialect: str, asset: str, now_ms: int) -> list[answers.Body]:
        """The test events of the last 24 hours in a dialect's shape, oldest first."""
        lines = []
        for seen in self.kept.all():
            if (seen.endpoint, seen.dialect, seen.asset) != ("validate", dialect, asset):
                continue
            value = msgspec.json.decode(seen.event) if seen.at > now_ms - _DAY_MS else None
            if isinstance(value, dict):
                lines.append(
                    answers.log_v2(value, seen.faults, seen.warnings)
                    if dialect == "v2"
                    else answers.log_v3(value, asset, seen.faults, seen.warnings)
                )
        return lines

    def _see(
        self,
        call: Call,
        piece: Piece,
        now_ms: int,
        verdict: str,
        judged: Judged,
        *,
        attempt: int,
        note: str = "",
        duplicate: bool = False,
    ) -> None:
        self.last_n += 1
        if self._ids_only:
            return
        self.kept.add(
            Seen(
                n=self.last_n,
                at=now_ms,
                path=call.path,
                dialect=call.dialect,
                endpoint=call.endpoint,
                asset=piece.asset,
                name=piece.name,
                id=piece.id,
                order_id=piece.order_id,
                event=piece.raw,
                verdict=verdict,
                faults=tuple(map(str, judged.faults)),
                warnings=tuple(map(str, judged.warnings)),
                note=note,
                attempt=attempt,
                duplicate=duplicate,
            )
        )
