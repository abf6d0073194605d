"""The privacy desk's pages: looking somebody up, what is held of them, and receipts."""

from typing import Annotated, Literal

import msgspec

from edgeproxy.admin.api import visitors
from edgeproxy.admin.api.visitors import Holdings, Name
from edgeproxy.admin.pages import Action, Go, Page, Show
from edgeproxy.erasure import Asked, How, Known, Receipt
from edgeproxy.errors import Unfit
from edgeproxy.web.endpoint import Call

MENU = "Privacy"

KINDS: tuple[tuple[How, str], ...] = (
    ("email", "E-mail address"),
    ("phone", "Phone number"),
    ("scid", "Browser id (_scid)"),
    ("external_id", "Your own id (userId)"),
)
"""What a person may be looked up by."""

LABELS = {
    "email_sha256": "E-mail",
    "phone_sha256": "Phone",
    "first_name_sha256": "First name",
    "last_name_sha256": "Last name",
    "city_sha256": "City",
    "state_sha256": "State",
    "zip_sha256": "Postcode",
    "country_sha256": "Country",
    "external_id_sha256": "Your own id",
    "mobile_ad_id_sha256": "Mobile ad id",
    "idfv_sha256": "Vendor id",
}
"""Trait → what people call it; another form of the same is not shown twice."""


class LookupForm(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to look up. The field's name keeps it from being shown again."""

    kind: Literal["email", "phone", "scid", "external_id"]
    typed_secret: Annotated[str, msgspec.Meta(max_length=512)] = ""

    def __repr__(self) -> str:
        return "LookupForm(••••)"


class EraseForm(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to erase, as the store names them."""

    visitor: Annotated[list[Name], msgspec.Meta(max_length=visitors.VISITORS_MAX)] = []
    kind: Literal["email", "phone", "scid", "external_id"]


class PrivacyView(msgspec.Struct, frozen=True, kw_only=True):
    """What the desk shows: what may be asked for, and the newest receipts."""

    kinds: tuple[tuple[How, str], ...]
    receipts: list[Receipt]
    now_ms: int


class FoundView(msgspec.Struct, frozen=True, kw_only=True):
    """What was found.

    Attributes:
        found: Its twin's answer.
        asked: What was looked up by, in words.
        labels: Trait → words.
        export: The path of the file, "" for none.
        total: How many events are held.
    """

    found: Holdings
    asked: str
    labels: dict[str, str]
    export: str
    total: int


class ReceiptView(msgspec.Struct, frozen=True, kw_only=True):
    """One receipt, and its sums."""

    receipt: Receipt
    asked: str
    waiting: int
    dead: int
    identities: int
    traces: int


async def show(call: Call) -> PrivacyView:
    """What the desk shows."""
    found = await visitors.list_receipts(call)
    return PrivacyView(kinds=KINDS, receipts=found[:20], now_ms=call.state.now_ms())


async def look_up(call: Call) -> Show:
    """What is held of somebody, shown once: what was typed is in no address."""
    form: LookupForm = call.body
    if not form.typed_secret.strip():
        raise Unfit([("typed_secret", "is empty")])
    try:
        found = await visitors.look(call, Asked(**{form.kind: form.typed_secret}))
    except Unfit as unfit:
        raise Unfit([("typed_secret", text) for _, text in unfit.faults]) from None
    names = [one.visitor for one in found.visitors]
    export = "&".join(f"visitor={name}" for name in names[:100])
    view = FoundView(
        found=found,
        asked=dict(KINDS)[form.kind],
        labels=LABELS,
        export=f"/v1/admin/visitors/export?{export}" if names else "",
        total=sum(one.waiting_n + one.dead_n for one in found.visitors),
    )
    return Show(title="What is held", template="privacy_found.html", data=view, menu=MENU)


async def erase(call: Call) -> Go:
    """Erase visitors, and show the receipt."""
    form: EraseForm = call.body
    if not form.visitor:
        raise Unfit([("", "look somebody up first")])
    known = [Known(visitor=bytes.fromhex(name)) for name in dict.fromkeys(form.visitor)]
    receipt = await visitors.erase_known(call, known, form.kind)
    return Go(to=f"/privacy/receipts/{receipt.id}", say="Erased. This is the receipt.")


async def show_receipt(call: Call) -> ReceiptView:
    """One receipt."""
    receipt = await visitors.show_receipt(call)
    there = receipt.visitors
    return ReceiptView(
        receipt=receipt,
        asked=next((words for kind, words in KINDS if kind == receipt.asked_by), "Visitor"),
        waiting=sum(one.waiting for one in there),
        dead=sum(one.dead for one in there),
        identities=sum(one.identity for one in there),
        traces=sum(one.traces or 0 for one in there),
    )


PAGES = (
    Page(
        path="/privacy",
        title="Privacy desk",
        template="privacy.html",
        load=show,
        menu=MENU,
        twin="/v1/admin/visitors/receipts",
    ),
    Page(
        path="/privacy/receipts/{id}",
        title="Receipt of erasure",
        template="privacy_receipt.html",
        load=show_receipt,
        menu=MENU,
        twin="/v1/admin/visitors/receipts/{id}",
    ),
)
ACTIONS = (
    Action(path="/privacy/lookup", form=LookupForm, handle=look_up, back="/privacy"),
    Action(path="/privacy/erase", form=EraseForm, handle=erase, back="/privacy"),
)
