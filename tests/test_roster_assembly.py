"""All sources and integrations together: the file wins, and a bad record harms no other."""

import base64
import os
from typing import Any

import msgspec

from edgeproxy.roster import records
from edgeproxy.roster.assembly import SEALED_FOR_EVER, UNOPENED, Roster, assembled, in_order
from edgeproxy.roster.records import KeptIntegration, KeptSource
from edgeproxy.seal import Sealer
from edgeproxy.sites import Integration, Secret, Source
from edgeproxy.store.office import Record

SEALER = Sealer([base64.urlsafe_b64encode(os.urandom(32))])
FILE = Source(
    id="file",
    origins=("https://file.example",),
    integrations=(Integration(id="file-1", source="file", access_token=Secret("f")),),
)


def source(id_: str, changed_ms: int = 0, **document: Any) -> Record:
    body = msgspec.json.encode(KeptSource(document=document))
    return Record(kind="source", id=id_, body=body, version=1, changed_ms=changed_ms)


def integration(id_: str, source_id: str, **more: Any) -> Record:
    document = {"source_id": source_id, "config": {"pixel_id": f"pixel {id_}"}, **more}
    box = records.sealed_token(Secret(f"token {id_}"), id_, document, SEALER.seal)
    body = msgspec.json.encode(KeptIntegration(document=document, box=box))
    return Record(kind="integration", id=id_, body=body, version=1, changed_ms=0)


def together(*found: Record, file: tuple[Source, ...] = (FILE,)) -> Roster:
    kinds = {kind: [one for one in found if one.kind == kind] for kind in ("source", "integration")}
    return assembled(file, kinds["source"], kinds["integration"], SEALER.open)


def shape(roster: Roster) -> dict[str, list[str]]:
    return {one.id: [each.id for each in one.integrations] for one in roster.sources}


def test_the_file_comes_first_and_keeps_what_it_has() -> None:
    roster = together(source("api"), integration("api-1", "api"), integration("more", "file"))
    assert shape(roster) == {"file": ["file-1", "more"], "api": ["api-1"]}
    assert roster.faulty == ()
    [_, api] = roster.sources
    assert api.integrations[0].access_token == Secret("token api-1")


def test_nothing_but_the_file() -> None:
    assert together() == Roster(sources=(FILE,))
    assert together(file=()) == Roster(sources=())


def test_an_id_of_the_file_is_not_taken_over() -> None:
    roster = together(source("file", origins=["https://x.example"]), integration("file-1", "file"))
    assert roster.sources == (FILE,)
    assert [(one.kind, one.id) for one in roster.faulty] == [
        ("source", "file"),
        ("integration", "file-1"),
    ]
    assert "configuration file, which counts" in roster.faulty[0].sentence


def test_an_origin_belongs_to_whoever_had_it_first() -> None:
    mine = ["https://file.example", "https://a.example"]
    roster = together(source("a", origins=mine), source("b", origins=["https://a.example"]))
    assert {one.id: one.origins for one in roster.sources} == {
        "file": ("https://file.example",),
        "a": ("https://a.example",),
        "b": (),
    }
    fault = roster.fault("source", "a")
    assert fault is not None
    assert fault.sentence == "origins https://file.example belongs to source file"
    assert roster.fault("source", "b") is not None
    assert roster.fault("integration", "a") is None


def test_records_come_in_the_order_of_their_age() -> None:
    found = [source("b", 2), source("c", 1), source("a", 2)]
    assert [one.id for one in in_order(found)] == ["c", "a", "b"]


def test_a_bad_record_leaves_the_others_alone() -> None:
    bad = Record(kind="source", id="bad", body=b"{", version=1, changed_ms=0)
    roster = together(
        bad,
        source("worse", consent="maybe"),
        source("good"),
        integration("orphan", "bad"),
        integration("good-1", "good"),
    )
    assert shape(roster) == {"file": ["file-1"], "good": ["good-1"]}
    assert {one.id for one in roster.faulty} == {"bad", "worse", "orphan"}
    orphan = roster.fault("integration", "orphan")
    assert orphan is not None
    assert orphan.sentence == "source_id names no source; there are file, good"


def test_without_any_source_that_is_said() -> None:
    roster = together(integration("a", "shop"), file=())
    assert "there is none yet" in roster.faulty[0].sentence


def test_a_token_that_no_key_opens_keeps_its_events_waiting() -> None:
    """The integration stays, so that nothing that comes in for it is dropped."""
    record = integration("a", "file")
    other = Sealer([base64.urlsafe_b64encode(os.urandom(32))])
    roster = assembled([FILE], [], [record], other.open)
    [made] = [one for one in roster.sources[0].integrations if one.id == "a"]
    assert made.access_token == UNOPENED
    assert roster.faulty[0].faults == (("config.access_token", SEALED_FOR_EVER),)
