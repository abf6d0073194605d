"""One lease on its way: its rows go to Snap, and what became of them is booked.

Everything happens inside the lease: quick retries, and taking a refused batch apart until the
culprit is alone. What is not settled when the process dies goes out again with the same ids.
"""

import asyncio

from msgspec.structs import replace

from edgeproxy.delivery import backoff, counting, gate, telling
from edgeproxy.delivery.batch import MAX_BYTES, Batch, Ready, batches, halves
from edgeproxy.delivery.held import Held
from edgeproxy.delivery.parts import Line, Parts
from edgeproxy.delivery.render import Renderer, scrubbed
from edgeproxy.delivery.tale import Tale, tell_unsent
from edgeproxy.outcome import Verdict
from edgeproxy.sites import Integration
from edgeproxy.snap import DIALECTS, answers
from edgeproxy.store.base import Dead, Gate, Lease, Row
from edgeproxy.wire import WireRequest

_LIMITER_NAP_S = 10.0
_ROWS_AT_ONCE = 50
_REASONS = {"rejected": "rejected", "too_large": "too_large", "ambiguous": "ambiguous_200"}


class Trip:
    """Delivers the rows of one lease.

    Args:
        parts: What delivery works with.
        sending: Where the deadlines of requests in flight are kept, for whoever stops us.
        lease: Rows of `integration`.
        integration: As configured now.
        line: What is remembered of the integration; changed by every answer.

    Attributes:
        held: The rows, and the booking of them.
    """

    def __init__(
        self,
        parts: Parts,
        sending: set[asyncio.Timeout],
        lease: Lease,
        integration: Integration,
        line: Line,
    ) -> None:
        self._parts = parts
        self._sending = sending
        self._lease = lease
        self._integration = integration
        self._line = line
        self._dialect = DIALECTS[integration.api]
        self._now_s = asyncio.get_running_loop().time
        self.held = Held(parts, lease)
        self._halted = False
        self._asked = False
        self._began_s = self._now_s()
        self._probed: Gate | None = None

    async def run(self) -> None:
        """Send everything, batch by batch; a refused batch is replaced by its halves."""
        ready, dead = await self._rendered()
        await self.held.settle(dead=dead)
        limit = min(self._integration.batch_max, self._dialect.max_batch)
        waiting = batches(ready, max_events=limit)[::-1]
        while waiting and not self._ends:
            batch = waiting.pop()
            tale = Tale(self._parts, batch, self._integration.id)
            verdict = await self._ask(batch, tale)
            if verdict is None:
                waiting += [left] if (left := self.held.left(batch)) else []
            elif verdict.kind in ("rejected", "too_large") and len(batch) > 1:
                waiting += halves(batch)[::-1]
            else:
                await self._book(batch, verdict, tale)
        await self.held.put_back(waiting, at_once=True)
        if self._lease.probe and not self._asked:
            await self._probe_again()

    @property
    def _ends(self) -> bool:
        """Whether nothing more may be sent under this lease."""
        return self._halted or (self._line.closed and not self._lease.probe)

    async def _rendered(self) -> tuple[list[Ready], list[Dead]]:
        renderer = Renderer(
            self._integration,
            self._dialect,
            self._parts.sealer.open,
            now_ms=self._parts.now_ms(),
        )
        ready: list[Ready] = []
        dead: list[Dead] = []
        for number, row in enumerate(self._lease.rows, 1):
            rendered = renderer.render(row)
            if isinstance(rendered, Dead):
                dead.append(rendered)
                self._note_unsent(row, rendered)
            else:
                ready.append(rendered)
            if number % _ROWS_AT_ONCE == 0:
                await asyncio.sleep(0)  # the intake shares this loop
        if renderer.unreadable:
            self._say("warning", "sealed_unreadable", events=renderer.unreadable)
        for error in renderer.broken[:1]:
            self._say("error", "render_fault", events=len(renderer.broken), exc_info=error)
        return ready, dead

    def _note_unsent(self, row: Row, dead: Dead) -> None:
        parts, id_ = self._parts, self._integration.id
        counting.unsent(parts.meter, [row], f"dead.{dead.reason}", integration=id_)
        tell_unsent(parts, row, dead, integration=id_)

    async def _ask(self, batch: Batch, tale: Tale) -> Verdict | None:
        """Send a batch until there is a verdict to act on; None when it cannot be sent now."""
        wires = [each.wire for each in batch]
        request = self._dialect.request(wires, self._integration, batch[0].endpoint)
        if len(request.body) > MAX_BYTES and len(batch) > 1:
            return Verdict(kind="too_large", message="longer than a megabyte")
        failures = 0
        while await self._may_send():
            await self.held.look()
            if len(self.held.left(batch)) < len(batch):
                return None  # what is left of it is another request
            verdict = await self._send(batch, request, tale)
            if verdict is None:
                return None
            failures += 1
            wait_s = self._retry_in_s(verdict, failures)
            await self._judge(verdict, refused=_refused(batch, verdict, last=wait_s is None))
            if wait_s is None or self._ends:
                return verdict
            await self._parts.pause(wait_s)
        return None

    async def _may_send(self) -> bool:
        """Wait for the limiter while the rows stay ours; False when they do not, or we stop."""
        while not self._parts.stopping.is_set() and await self.held.still():
            wait_s = await self._acquire()
            if self._ends or self._parts.stopping.is_set():
                break
            if wait_s <= 0:
                return True
            self._parts.meter.add("limited", self._integration.id)
            await self._parts.pause(min(wait_s, _LIMITER_NAP_S))
        self._halted = True
        return False

    async def _acquire(self) -> float:
        limit_rps = self._integration.rate_limit_rps
        rate_rps = gate.rate(self._line.pace, limit_rps, self._now_s())
        return await self._parts.store.acquire(
            self._integration.id,
            rate=rate_rps,
            burst=max(1, int(self._integration.rate_limit_burst * rate_rps / limit_rps)),
            per_minute=self._integration.rate_limit_per_minute,
        )

    async def _send(self, batch: Batch, request: WireRequest, tale: Tale) -> Verdict | None:
        """One request and its verdict; None when it was given up because we stop."""
        self._asked = True
        tale.sent(request)
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._sending.add(scope)
                response = await self._parts.transport.send(request, self._integration)
        except TimeoutError:
            if not scope.expired():
                raise
            self._halted = True
            return None
        finally:
            self._sending.discard(scope)
        read = answers.read(response, sent=len(batch), now_ms=self._parts.now_ms())
        verdict = scrubbed(read, batch)
        tale.answered(verdict, response.latency_ms)
        counting.answered(self._parts.meter, verdict, response, integration=self._integration.id)
        telling.answered(
            self._parts,
            self._line,
            batch,
            verdict,
            response,
            integration=self._integration.id,
            now_s=self._now_s(),
        )
        return verdict

    def _retry_in_s(self, verdict: Verdict, failures: int) -> float | None:
        """When to send the same request again under this lease; None for not at all."""
        if self._lease.probe or verdict.kind not in ("transient", "ambiguous"):
            return None
        wait_s = backoff.fast(self._parts.schedule, failures, self._parts.draw())
        if wait_s is None or (verdict.retry_after_s or 0.0) > wait_s:
            return None
        return wait_s

    async def _judge(self, verdict: Verdict, *, refused: int) -> None:
        """Note the answer, and move the gate when the answers say so."""
        now_s = self._now_s()
        self._line.record = gate.note(
            self._line.record,
            verdict.kind,
            now_s=now_s,
            schedule=self._parts.schedule,
            refused=refused,
        )
        if verdict.kind == "rate_limited":
            limit_rps = self._integration.rate_limit_rps
            self._line.pace = gate.slowed(self._line.pace, limit_rps, now_s)
        if verdict.kind in ("delivered", "partial"):
            self._line.easing = False
        if self._lease.probe or gate.moves(verdict.kind, self._line.record):
            async with self._line.moving:
                await self._move_gate(verdict)

    async def _move_gate(self, verdict: Verdict) -> None:
        before = await self._parts.store.gate(self._integration.id)
        after = gate.after(
            before,
            verdict,
            self._line.record,
            schedule=self._parts.schedule,
            probe=self._lease.probe,
            fingerprint=self._parts.fingerprint(self._integration),
        )
        if self._lease.probe:
            self._probed = before
            self._line.saw(before)
        self._line.saw(after)
        if after == before:
            return
        await self._parts.store.set_gate(after)
        self._line.record = gate.cleared(self._line.record)
        self._parts.say_moved(before, after)

    async def _book(self, batch: Batch, verdict: Verdict, tale: Tale) -> None:
        """Settle the rows of an answered request."""
        if verdict.kind in ("delivered", "partial"):
            telling.delivered_late(self._parts, batch, verdict, integration=self._integration.id)
            await self._settle(batch, verdict, tale)
        elif verdict.kind in _REASONS and not self._keeps_refused(verdict):
            reason = _REASONS[verdict.kind]
            words = verdict.dead.get(0, verdict.message)
            dead = [Dead(id=each.row.id, reason=reason, detail=words) for each in batch]
            await self.held.settle(dead=dead)
            self._note_buried(batch, dead, tale)
        else:
            await self.held.put_back([batch], verdict, at_once=self._line.closed)
            rows = [each.row for each in batch]
            counting.unsent(self._parts.meter, rows, "retry", integration=self._integration.id)

    async def _settle(self, batch: Batch, verdict: Verdict, tale: Tale) -> None:
        """Settle what Snap took and what it refused; the rest stays ours."""
        dead = [
            Dead(id=batch[place].row.id, reason="rejected", detail=words)
            for place, words in verdict.dead.items()
        ]
        await self.held.settle(
            delivered=[batch[place].row.id for place in verdict.delivered], dead=dead
        )
        counting.delivered(
            self._parts.meter,
            batch,
            verdict.delivered,
            integration=self._integration.id,
            waited_s=self._now_s() - self._began_s,
        )
        if dead:
            self._note_buried(batch, dead, tale)

    def _note_buried(self, batch: Batch, dead: list[Dead], tale: Tale) -> None:
        """Count and tell the rows that are dead letters now, all for one reason."""
        buried = {each.id: each for each in dead}
        rows = [each.row for each in batch if each.row.id in buried]
        fate = f"dead.{dead[0].reason}"
        counting.unsent(self._parts.meter, rows, fate, integration=self._integration.id)
        tale.buried(buried)

    def _keeps_refused(self, verdict: Verdict) -> bool:
        """Whether a refused probe goes back, because the integration may be what is wrong."""
        if self._probed is None:
            return False
        return self._probed.state == "paused_reject" or verdict.kind == "ambiguous"

    async def _probe_again(self) -> None:
        """Nothing was asked, because the row could not be sent: let the next one be the probe."""
        now = await self._parts.store.gate(self._integration.id)
        if now.state != "open":
            await self._parts.store.set_gate(replace(now, probe_in_s=0.0))

    def _say(self, level: str, event: str, **fields: object) -> None:
        self._parts.say(level, event, integration=self._integration.id, **fields)


def _refused(batch: Batch, verdict: Verdict, *, last: bool) -> int:
    """How many events this answer turns into dead letters while it delivers none."""
    if verdict.kind == "rejected" and len(batch) == 1:
        return 1
    return len(batch) if verdict.kind == "ambiguous" and last else 0
