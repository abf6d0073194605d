"""The privacy desk: who is held, what of them, and their erasure with a receipt.

What a person is looked up by comes in a body, or (a `_scid`, by the contract of the route) in the
path; it is hashed at once, and is in no answer, log or audit line.
"""

from typing import Annotated

import msgspec

from edgeproxy import erasure
from edgeproxy.admin.state import AdminState
from edgeproxy.erasure import Asked, HeldVisitor, Known, Receipt
from edgeproxy.errors import StoreBusy, Unfit
from edgeproxy.web.endpoint import Call, Endpoint, Reply

VISITORS_MAX = 1000
EXPORT_EVENTS = 10_000
"""So many events of a visitor are in an export, of each kind."""

Name = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
"""A visitor as the answers name them."""


class Holdings(msgspec.Struct, frozen=True, kw_only=True):
    """What is held, without visitors of whom nothing is. `asked_by`: what was looked up by."""

    asked_by: str
    visitors: list[HeldVisitor]
    now_ms: int


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """What is held of visitors, with their events as they are stored: digests, no raw values."""

    made_ms: int
    visitors: list[HeldVisitor]


class ExportVisitors(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to export: `visitor` of the answers, once or several times."""

    visitor: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=100)]


class Erase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to erase: a person, or else visitors as the answers name them."""

    person: Asked | None = None
    visitors: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=VISITORS_MAX)] | None = (
        None
    )


async def look_up(call: Call) -> Holdings:
    """What is held of a person."""
    return await look(call, call.body)


async def look(call: Call, asked: Asked) -> Holdings:
    """The same for a form."""
    state: AdminState = call.state
    found = await _find(state, asked)
    held = await erasure.held(state.store, state.journal, found)
    return Holdings(
        asked_by=erasure.how(asked),
        visitors=[one for one in held if one.something],
        now_ms=state.now_ms(),
    )


async def export(call: Call) -> Reply:
    """All that is held of visitors, as a file."""
    state: AdminState = call.state
    query: ExportVisitors = call.query
    known = _visitors(query.visitor)
    held = await erasure.held(state.store, state.journal, known, limit=EXPORT_EVENTS, whole=True)
    body = msgspec.json.format(
        msgspec.json.encode(Export(made_ms=state.now_ms(), visitors=held)), indent=1
    )
    name = b'attachment; filename="visitor-%s.json"' % known[0].visitor.hex()[:8].encode()
    return Reply(body=body, headers=((b"content-disposition", name),))


async def erase_visitor(call: Call) -> Receipt:
    """Erase a visitor, for every source: queue, dead letters, identity, traces."""
    return await _erase_person(call, Asked(scid=_checked(call.path["scid"])))


async def erase(call: Call) -> Receipt:
    """Erase a person, or visitors."""
    wish: Erase = call.body
    if (wish.person is None) == (wish.visitors is None):
        raise Unfit([("", "give either a person or visitors")])
    if wish.person is not None:
        return await _erase_person(call, wish.person)
    return await erase_known(call, _visitors(wish.visitors or []))


async def erase_known(call: Call, known: list[Known], asked_by: str = "visitor") -> Receipt:
    """Erase visitors.

    Raises:
        StoreBusy: Traces could not be erased; all else was, and it can be repeated.
    """
    state: AdminState = call.state
    receipt = await erasure.erase(
        state.store,
        state.journal,
        known,
        id=state.new_id(),
        by=call.by,
        asked_by=asked_by,
        at_ms=state.now_ms(),
    )
    if not receipt.complete:
        sentence = "all but the traces is erased; they cannot be written now: erase once more"
        raise StoreBusy("traces_left", sentence)
    return receipt


async def list_receipts(call: Call) -> list[Receipt]:
    """The receipts of erasures, newest first."""
    return await erasure.receipts(call.state.office)


async def show_receipt(call: Call) -> Receipt:
    """The receipt of one erasure."""
    return await erasure.receipt(call.state.office, call.path["id"])


async def _erase_person(call: Call, asked: Asked) -> Receipt:
    known = await _find(call.state, asked)
    return await erase_known(call, known, erasure.how(asked))


async def _find(state: AdminState, asked: Asked) -> list[Known]:
    sources = tuple(state.registry.sources.values())
    return await erasure.find(state.store, state.keys.visitor, sources, asked)


def _checked(scid: str) -> str:
    if len(scid) > 512 or not scid.strip():
        raise Unfit([("scid", "is none")])
    return scid


def _visitors(names: list[str]) -> list[Known]:
    return [Known(visitor=bytes.fromhex(name)) for name in dict.fromkeys(names)]


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/admin/visitors/lookup",
        handle=look_up,
        summary="Show what is held of a person; what is typed is hashed and not kept",
        body=Asked,
        answer=Holdings,
        tag="privacy",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/visitors/export",
        handle=export,
        summary="Export what is held of visitors",
        role="admin",
        query=ExportVisitors,
        answer=Export,
        tag="privacy",
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/visitors/erase",
        handle=erase,
        summary="Erase a person everywhere, and file a receipt",
        body=Erase,
        answer=Receipt,
        refusals=(503,),
        tag="privacy",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/visitors/receipts",
        handle=list_receipts,
        summary="List receipts of erasures",
        role="viewer",
        answer=list[Receipt],
        tag="privacy",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/visitors/receipts/{id}",
        handle=show_receipt,
        summary="Show the receipt of an erasure",
        role="viewer",
        answer=Receipt,
        refusals=(404,),
        tag="privacy",
    ),
    Endpoint(
        method="DELETE",
        path="/v1/admin/visitors/{scid}",
        handle=erase_visitor,
        summary="Erase a visitor by their _scid everywhere, and file a receipt",
        answer=Receipt,
        refusals=(503,),
        tag="privacy",
    ),
)
