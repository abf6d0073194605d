"""All sources and integrations there are: those of the file, then what people made."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from edgeproxy.errors import Unfit
from edgeproxy.roster import documents, records
from edgeproxy.roster.fields import Fault
from edgeproxy.roster.records import INTEGRATION, SOURCE, Open
from edgeproxy.sites import Integration, Secret, Source
from edgeproxy.store.office import Record

UNOPENED = Secret("its-sealing-key-is-gone")
"""Stands for a token that cannot be opened: Snap refuses it, so the gate closes and events wait."""

SEALED_FOR_EVER = "cannot be opened: the key that it was sealed with is gone; give it again"


class Faulty(msgspec.Struct, frozen=True, kw_only=True):
    """A record that cannot be used as it is, wholly or in part."""

    kind: str
    id: str
    faults: tuple[Fault, ...]

    @property
    def sentence(self) -> str:
        """All faults, for people."""
        return "; ".join(f"{name} {text}" if name else text for name, text in self.faults)


class Roster(msgspec.Struct, frozen=True, kw_only=True):
    """All sources with their integrations, and the records that are at fault."""

    sources: tuple[Source, ...]
    faulty: tuple[Faulty, ...] = ()

    def fault(self, kind: str, id: str) -> Faulty | None:
        """What is wrong with a record, or None."""
        return next((one for one in self.faulty if (one.kind, one.id) == (kind, id)), None)


def in_order(found: Sequence[Record]) -> list[Record]:
    """Records by age: of two that claim the same, the one that was there first has it."""
    return sorted(found, key=lambda one: (one.changed_ms, one.id))


def assembled(
    file: Sequence[Source], sources: Sequence[Record], integrations: Sequence[Record], open: Open
) -> Roster:
    """Put everything together; a record that is at fault never keeps the others from it.

    Args:
        file: What the configuration defines.
        sources: Records of sources. Of two that claim the same the earlier has it.
        integrations: Records of integrations.
        open: Opens sealed tokens.
    """
    made = _Assembly(file, open)
    for record in sources:
        made.add(SOURCE, record, made.source)
    for record in integrations:
        made.add(INTEGRATION, record, made.integration)
    return Roster(sources=made.all(), faulty=tuple(made.faulty))


class _Assembly:
    def __init__(self, file: Sequence[Source], open: Open) -> None:
        self._open = open
        self._sources: dict[str, Source] = {one.id: one for one in file}
        self._origins = {origin: one.id for one in file for origin in one.origins}
        self._integrations: dict[str, list[Integration]] = {
            one.id: list(one.integrations) for one in file
        }
        self._ids = {each.id for one in file for each in one.integrations}
        self.faulty: list[Faulty] = []

    def add(self, kind: str, record: Record, take: Callable[[Record], list[Fault]]) -> None:
        """Take a record in, and note what is wrong with it."""
        try:
            faults = take(record)
        except Unfit as unfit:
            faults = list(unfit.faults)
        except ValueError as error:
            faults = [("", str(error))]
        if faults:
            self.faulty.append(Faulty(kind=kind, id=record.id, faults=tuple(faults)))

    def source(self, record: Record) -> list[Fault]:
        """Take a source in; return what had to be left out of it."""
        if record.id in self._sources:
            return [("id", "is the name of a source of the configuration file, which counts")]
        kept = records.kept_source(record)
        digests = tuple(key.sha256 for key in kept.keys)
        made = documents.source({**kept.document, "id": record.id}, digests=digests)
        taken = {one: self._origins[one] for one in made.origins if one in self._origins}
        free = tuple(origin for origin in made.origins if origin not in taken)
        self._origins |= dict.fromkeys(free, made.id)
        self._sources[made.id] = msgspec.structs.replace(made, origins=free)
        self._integrations[made.id] = []
        return [("origins", f"{one} belongs to source {owner}") for one, owner in taken.items()]

    def integration(self, record: Record) -> list[Fault]:
        """Take an integration in; return what is wrong with it nevertheless."""
        if record.id in self._ids:
            return [("id", "is the name of an integration of the configuration file, which counts")]
        kept = records.kept_integration(record)
        token = records.opened_token(kept, record.id, self._open)
        made = documents.integration({**kept.document, "id": record.id}, token or UNOPENED)
        if made.source not in self._sources:
            return [("source_id", _unknown(self._sources))]
        self._ids.add(made.id)
        self._integrations[made.source].append(made)
        return [] if token is not None else [(f"config.{documents.TOKEN}", SEALED_FOR_EVER)]

    def all(self) -> tuple[Source, ...]:
        """Every source with its integrations."""
        return tuple(
            msgspec.structs.replace(one, integrations=tuple(self._integrations[one.id]))
            for one in self._sources.values()
        )


def _unknown(known: Mapping[str, Source]) -> str:
    if not known:
        return "names no source: there is none yet; make one first"
    return f"names no source; there {'is' if len(known) == 1 else 'are'} {', '.join(known)}"
