"""Who is told of a batch on its way, and which of its events: nobody, all, or those followed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from edgeproxy.delivery import steps
from edgeproxy.delivery.batch import Batch
from edgeproxy.delivery.parts import Parts
from edgeproxy.outcome import Verdict
from edgeproxy.store.base import Dead, Row
from edgeproxy.trace import Step, Watch
from edgeproxy.wire import WireRequest

_Told = Callable[[Sequence[int], int], Iterable[Step]]


class Tale:
    """Tells the steps of one batch; with nobody listening, none are made.

    Asked once for all its steps, so that an event whose sending is told has its answer told too.

    Args:
        parts: Who listens.
        batch: What is sent.
        integration: Whose events.
    """

    def __init__(self, parts: Parts, batch: Batch, integration: str) -> None:
        self._parts = parts
        self._batch = batch
        self._integration = integration
        self._places: Sequence[int] = ()
        self._watch: Watch | None = None
        with suppress(Exception):
            self._places, self._watch = _listening(parts, batch)

    def sent(self, request: WireRequest) -> None:
        """Tell that it is about to go out."""
        self._tell(
            lambda places, at_ms: steps.sent(
                self._batch, places, request, integration=self._integration, at_ms=at_ms
            )
        )

    def answered(self, verdict: Verdict, latency_ms: float) -> None:
        """Tell what Snap said."""
        self._tell(
            lambda places, at_ms: steps.answered(
                self._batch,
                places,
                verdict,
                latency_ms,
                integration=self._integration,
                at_ms=at_ms,
            )
        )

    def buried(self, dead: Mapping[int, Dead]) -> None:
        """Tell which rows are dead letters now."""
        self._tell(
            lambda places, at_ms: steps.buried(
                self._batch, places, dead, integration=self._integration, at_ms=at_ms
            )
        )

    def _tell(self, told: _Told) -> None:
        if self._watch is not None:
            with suppress(Exception):
                for step in told(self._places, self._parts.now_ms()):
                    self._watch(step)


def _listening(parts: Parts, batch: Batch) -> tuple[Sequence[int], Watch | None]:
    """Which events are told, and to whom."""
    watch = None if parts.watching is None else parts.watching(len(batch))
    if watch is not None:
        return range(len(batch)), watch
    followed = parts.followed
    if followed is None:
        return (), None
    ids = followed.ids
    places = [place for place, each in enumerate(batch) if each.event.id in ids] if ids else []
    return places, followed.watch if places else None


def tell_unsent(parts: Parts, row: Row, dead: Dead, *, integration: str) -> None:
    """Tell that an event could not be sent and is a dead letter."""
    with suppress(Exception):
        watch = None if parts.watching is None else parts.watching(1)
        if watch is None and parts.followed is not None:
            watch = parts.followed.watch
        if watch is not None:
            watch(steps.unsent(row, dead, integration=integration, at_ms=parts.now_ms()))
