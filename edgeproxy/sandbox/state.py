"""The sandbox itself, without HTTP: takes the parts of a request and answers as Snap would."""

from collections.abc import Callable, Collection
from typing import Any, Literal

import msgspec

from edgeproxy.sandbox import answers
from edgeproxy.sandbox.bodies import BadBody, Piece, read_v2, read_v3
from edgeproxy.sandbox.call import Call, Reply
from edgeproxy.sandbox.checks import asset as check_asset
from edgeproxy.sandbox.memory import Memory
from edgeproxy.sandbox.records import Asked, Counts, Seen
from edgeproxy.sandbox.rules import Fault, Judged, judge_v2, judge_v3
from edgeproxy.sandbox.script import Answer, Script, Settings

MAX_IDS = 200_000
_REFUSED = Fault("refused", "event", "is refused by the script")


class Sandbox:
    """Our own Snap: strict about Snap's rules, scriptable, remembers what it got.

    Served by one event loop; what it remembers may be read, and the script changed, from another
    thread.

    Args:
        now_ms: The clock, Unix ms.
        tokens: The tokens that are known; None accepts any that is not empty.
        pixels: The pixel and app ids that known tokens may use; None accepts any UUID.
        refuse_low_match: Refuse events with too few identifiers instead of warning; Snap's own
            behaviour is not documented.
        keep: "events" keeps the last events and requests; "ids" only counts and the ids, for loads.
        max_ids: How many ids are remembered for counting repetitions.
    """

    def __init__(
        self,
        *,
        now_ms: Callable[[], int],
        tokens: Collection[str] | None = None,
        pixels: Collection[str] | None = None,
        refuse_low_match: bool = False,
        keep: Literal["events", "ids"] = "events",
        max_ids: int = MAX_IDS,
    ) -> None:
        self.now_ms = now_ms
        self.tokens = None if tokens is None else frozenset(tokens)
        self.pixels = None if pixels is None else frozenset(pixels)
        self.refuse_low_match = refuse_low_match
        self._ids_only = keep == "ids"
        self._max_ids = max_ids
        self.answer_normally()
        self._memory = Memory(ids_only=self._ids_only, max_ids=max_ids)

    def reset(self) -> None:
        """Forget all that came and the script; tokens, pixels and strictness stay."""
        self.answer_normally()
        self._memory = Memory(
            ids_only=self._ids_only, max_ids=self._max_ids, last_n=self._memory.last_n
        )

    # What tests and the page ask.

    @property
    def counts(self) -> Counts:
        """Counters since the start or the last reset."""
        return self._memory.counts

    @property
    def attempts(self) -> int:
        """Requests that came, whatever the answer."""
        return self.counts.requests

    @property
    def records(self) -> list[Seen]:
        """The kept events, oldest first, with verdicts."""
        return self._memory.kept.all()

    @property
    def requests(self) -> list[Asked]:
        """The last requests, oldest first."""
        return list(self._memory.requests)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The payloads of the live events that Snap would count, each once, oldest first."""
        return [
            msgspec.json.decode(seen.event)
            for seen in self._memory.kept.all()
            if seen.verdict == "accepted" and seen.endpoint == "live" and not seen.duplicate
        ]

    @property
    def ids(self) -> dict[str, list[int]]:
        """Live event id → [how often it came, under how many names or pixels it was counted]."""
        return self._memory.ledger.ids()

    @property
    def last_n(self) -> int:
        """The number of the newest event."""
        return self._memory.last_n

    def since(self, n: int) -> list[Seen]:
        """The kept events numbered above n, oldest first."""
        return self._memory.kept.since(n)

    def last(self, number: int) -> list[Seen]:
        """The newest events, oldest first."""
        return self._memory.kept.last(number)

    # What a script may change.

    def answer_with(self, *, times: int | None = None, **answer: Any) -> None:
        """Answer the next requests so; fields as in `script.Answer`, for ever by default."""
        self.script = Script([msgspec.convert({"times": times, **answer}, Answer)])

    def answer_normally(self) -> None:
        """Drop what is left of the script."""
        self.script = Script()

    def change(self, settings: Settings) -> None:
        """Take the parts of a script that are given; a new list of answers replaces the old."""
        if settings.answers is not msgspec.UNSET:
            self.script = Script(settings.answers)
        if settings.refuse_low_match is not msgspec.UNSET:
            self.refuse_low_match = settings.refuse_low_match
        if settings.tokens is not msgspec.UNSET:
            self.tokens = None if settings.tokens is None else frozenset(settings.tokens)
        if settings.pixels is not msgspec.UNSET:
            self.pixels = None if settings.pixels is None else frozenset(settings.pixels)

    # What Snap does.

    def post(self, call: Call) -> Reply:
        """Judge the events of a request and answer as Snap would, or as the script says."""
        pieces: list[Piece] = []
        fault: BadBody | None = None
        try:
            pieces = read_v2(call.body) if call.dialect == "v2" else read_v3(call.body, call.asset)
        except BadBody as error:
            fault = error
        events = len(pieces) or (fault.events if fault else 0)
        by = self.script.take(call.path, {piece.id for piece in pieces})
        if by is not None and not by.processes:
            note = f"the script answered for Snap ({_told(by)})"
            self._memory.pass_over(call, pieces, note, self.now_ms())
            return self._replied(call, by.status or 200, by.body_bytes or b"", events, by)
        status, usual = self._answer(call, pieces, fault, by)
        ordered = None if by is None else by.body_bytes
        body = msgspec.json.encode(usual) if ordered is None else ordered
        return self._replied(call, (by and by.status) or status, body, events, by)

    def get(self, call: Call) -> Reply:
        """The validate log of the last 24 hours, or the counts of the last hour."""
        now_ms = self.now_ms()
        barred = self._barred(call, ())
        if barred is not None:
            status, body = barred[0], {**barred[1], "status": "FAILURE"}
        elif call.endpoint == "logs":
            logs = self._memory.logs(call.dialect, call.asset, now_ms)
            status, body = 200, {"status": "SUCCESS", "reason": "", "logs": logs}
        else:
            stats = self._memory.stats(call.asset, now_ms)
            status, body = 200, {"status": "SUCCESS", "reason": "", "stats": stats}
        return self._replied(call, status, msgspec.json.encode(body), 0, None)

    def astray(self, call: Call, status: int) -> Reply:
        """Note a request to a path or with a method that Snap does not have."""
        _, body = answers.no(call.dialect, status, "No such path or method")
        return self._replied(call, status, msgspec.json.encode(body), 0, None)

    def _answer(
        self, call: Call, pieces: list[Piece], fault: BadBody | None, by: Answer | None
    ) -> answers.Answered:
        now_ms = self.now_ms()
        refused = self._barred(call, [piece.asset for piece in pieces if piece.asset])
        if refused is None and fault is not None:
            refused = answers.no(call.dialect, 400, fault.reason)
        if refused is not None:
            note = f"the request was refused ({refused[1]['reason']})"
            self._memory.pass_over(call, pieces, note, now_ms)
            return refused
        judged = self._judge(call, pieces, by.refuse_events if by else (), now_ms)
        v2 = call.dialect == "v2"
        if call.endpoint == "validate":
            self._memory.take_test(call, pieces, judged, now_ms)
            return answers.validate_v2(pieces, judged) if v2 else answers.validate_v3(judged)
        self._memory.take_live(call, pieces, judged, now_ms)
        return answers.live_v2(judged) if v2 else answers.live_v3(judged)

    def _judge(
        self, call: Call, pieces: list[Piece], refuse: Collection[str], now_ms: int
    ) -> list[Judged]:
        judge = judge_v2 if call.dialect == "v2" else judge_v3
        strict = self.refuse_low_match
        judged = [judge(one.value, now_ms=now_ms, refuse_low_match=strict) for one in pieces]
        for index, piece in enumerate(pieces if refuse else ()):
            if piece.id in refuse:
                faults, warnings = judged[index]
                judged[index] = Judged((*faults, _REFUSED), warnings)
        return judged

    def _barred(self, call: Call, assets: Collection[str]) -> answers.Answered | None:
        """Snap's 400, 401, 403 or 404 for a request that is not let in."""
        if call.stray:
            return answers.no(call.dialect, 400, "access_token does not belong in the query")
        if not call.token or (self.tokens is not None and call.token not in self.tokens):
            return answers.no(call.dialect, 401, "Authentication failed")
        if call.method == "GET" or call.dialect == "v3":
            if check_asset(call.asset) is not None:
                status = 404 if call.dialect == "v3" else 400
                return answers.no(call.dialect, status, "Invalid pixel_id")
            assets = (call.asset,)
        if self.pixels is not None and not self.pixels.issuperset(assets):
            return answers.no(call.dialect, 403, "Unauthorized resources")
        return None

    def _replied(
        self, call: Call, status: int, body: bytes, events: int, by: Answer | None
    ) -> Reply:
        cut = by is not None and by.disconnect == "before"
        self._memory.note(
            call,
            at_ms=self.now_ms(),
            status=None if cut else status,
            events=events,
            scripted=by is not None,
        )
        return Reply(status=status, body=body, by=by)


def _told(by: Answer) -> str:
    return f"disconnect {by.disconnect}" if by.disconnect else f"status {by.status or 200}"
