"""Keeps the registry in step with what people make at run time, in every process of every node."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from edgeproxy.errors import StoreBusy
from edgeproxy.registry import Registry
from edgeproxy.roster.assembly import Faulty, Roster, assembled, in_order
from edgeproxy.roster.records import INTEGRATION, SOURCE
from edgeproxy.seal import Sealer
from edgeproxy.sites import Source
from edgeproxy.store.office import Office, Record

LOOK_S = 0.5
"""How often a process asks for the edition: a change takes effect on all nodes within two seconds,
also when one look meets a busy store."""

BEGIN_S = 20.0
"""How long a start waits for a store that is busy."""

LATE_LOOKS = 4
"""After so many looks in a row that met a busy store, changes are later than they should be."""

_LATE = (
    "the store has not answered for two seconds: what people change takes effect here when it does"
)
_NO_SOURCES = (
    "every page is refused until there is a source: make one in the dashboard, or by"
    " POST /v1/admin/sources"
)


class Live:
    """The file's sources and the records, together in the registry.

    Args:
        office: Where the records are.
        registry: Is given what there is.
        file: Sources of the configuration.
        sealer: Opens access tokens.
        log: Writes a line: level, event, fields.
        changed: Called when the registry was given something else.
    """

    def __init__(
        self,
        office: Office,
        registry: Registry,
        file: Sequence[Source],
        *,
        sealer: Sealer,
        log: Callable[..., None],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._office = office
        self._registry = registry
        self._file = tuple(file)
        self._sealer = sealer
        self._log = log
        self._changed = changed
        self._edition: int | None = None
        self._reading = asyncio.Lock()
        self.faulty: tuple[Faulty, ...] = ()

    async def refresh(self) -> None:
        """Read the records when any was changed.

        Raises:
            StoreBusy: They cannot be read now; what was there goes on.
        """
        async with self._reading:  # or what was read first could be put in last
            await self._refresh()

    async def _refresh(self) -> None:
        edition = await self._office.edition()  # first: what changes meanwhile is seen next time
        if edition == self._edition:
            return
        sources = await self._office.records(SOURCE)
        integrations = await self._office.records(INTEGRATION)
        roster = self.tried(sources, integrations)
        self._registry.replace(roster.sources)
        first, self._edition = self._edition is None, edition
        self._tell(roster, edition, first=first)
        self.faulty = roster.faulty
        self._changed()

    async def begin(self, patience_s: float = BEGIN_S) -> None:
        """Read the records for the first time, before anybody is served.

        An origin that is not known yet would be refused, and its visitors' events lost.

        Raises:
            StoreBusy: They cannot be read.
        """
        deadline_s = asyncio.get_running_loop().time() + patience_s
        while True:
            try:
                await self.refresh()
                break
            except StoreBusy:
                if asyncio.get_running_loop().time() > deadline_s:
                    raise
            await asyncio.sleep(LOOK_S)
        if not self._registry.sources:
            self._log("warning", "no_sources", advice=_NO_SOURCES)

    def tried(
        self,
        sources: Sequence[Record],
        integrations: Sequence[Record],
        candidate: Record | None = None,
    ) -> Roster:
        """What would come of these records.

        Args:
            sources: All records of sources.
            integrations: All records of integrations.
            candidate: One that is about to be written; the others come first.
        """
        lists = {SOURCE: in_order(sources), INTEGRATION: in_order(integrations)}
        if candidate is not None:
            others = [one for one in lists[candidate.kind] if one.id != candidate.id]
            lists[candidate.kind] = [*others, candidate]
        return assembled(self._file, lists[SOURCE], lists[INTEGRATION], self._sealer.open)

    async def run(self, stopping: asyncio.Event) -> None:
        """Look for changes until work stops."""
        failing, busy = "", 0
        while not stopping.is_set():
            try:
                await self.refresh()
                failing, busy = "", 0
            except StoreBusy as error:
                busy += 1
                if busy == LATE_LOOKS:
                    self._log("warning", "sites_late", code=error.code, advice=_LATE)
            except Exception as error:
                if failing != type(error).__name__:
                    self._log("error", "sites_not_read", exc_info=error)
                failing = type(error).__name__
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await stopping.wait()

    def _tell(self, roster: Roster, edition: int, *, first: bool) -> None:
        if not first:
            count = sum(len(source.integrations) for source in roster.sources)
            self._log(
                "info",
                "sites_changed",
                edition=edition,
                sources=len(roster.sources),
                integrations=count,
            )
        for one in roster.faulty:
            if one not in self.faulty:
                self._log("warning", "site_faulty", kind=one.kind, id=one.id, advice=one.sentence)
