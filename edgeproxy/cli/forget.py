"""The command forget: erase a person from store, dead letters, identity and traces.

An e-mail address or a phone number is never an argument, which every user of the machine could
read in the list of processes: it comes over standard input, or is asked for.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgeproxy.cli.lookup import changing, looking
from edgeproxy.cli.options import JSON, with_settings
from edgeproxy.cli.table import show, show_json
from edgeproxy.errors import Failed, Unfit

if TYPE_CHECKING:
    from edgeproxy.erasure import Asked, HeldVisitor, Known, Receipt
    from edgeproxy.journal.base import Journal
    from edgeproxy.keys import Keys
    from edgeproxy.settings import Settings
    from edgeproxy.sites import Source
    from edgeproxy.store.base import Reader, Store

WHO = "the command line"
_TYPED_MAX_CHARS = 512
_COLUMNS = ("visitor", "source", "identity", "waiting", "dead", "traces")


@click.command(epilog="Example: edgeproxy forget --email-stdin < address.txt")
@click.option("--scid", metavar="ID", help="The value of the browser's _scid cookie.")
@click.option("--email-stdin", "email", is_flag=True, help="Read an e-mail address from stdin.")
@click.option("--phone-stdin", "phone", is_flag=True, help="Read a phone number from stdin.")
@click.option(
    "--external-id-stdin", "external_id", is_flag=True, help="Read your own id of the person."
)
@click.option("--dry-run", is_flag=True, help="Only show what is held.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
@with_settings(quiet=True)
def forget(
    settings: "Settings",
    scid: str | None,
    email: bool,
    phone: bool,
    external_id: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase a person: queue, dead letters, identity, traces.

    A running server need not stop. On a terminal the address is asked for and not shown. The
    receipt names the visitor by a keyed hash, and stands in the audit log too.
    """
    chosen = [
        name
        for name, on in (("email", email), ("phone", phone), ("external_id", external_id))
        if on
    ]
    if len(chosen) + (scid is not None) != 1:
        raise click.UsageError(
            "give one of --scid, --email-stdin, --phone-stdin, --external-id-stdin"
        )
    asks = not (yes or dry_run)
    if asks and not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here; say --yes, or --dry-run to look first")
    asked = _asked(scid, chosen)
    known, held = _find(settings, asked)
    if dry_run:
        _show_held(held, as_json=as_json)
        return
    if asks:
        _show_held(held, as_json=False)
        if not click.confirm("Erase this for good?", err=True):
            raise Failed("nothing was erased")
    receipt = _erase(settings, known, asked)
    _show_receipt(receipt, as_json=as_json)
    if not receipt.complete:
        raise Failed("all but the traces is erased; they cannot be written now: repeat the command")


def _asked(scid: str | None, chosen: Sequence[str]) -> "Asked":
    from edgeproxy.erasure import Asked, how

    given = {"scid": scid} if scid is not None else {chosen[0]: _typed(chosen[0])}
    asked = Asked(**{name: value or "" for name, value in given.items()})
    try:
        how(asked)
    except Unfit:
        raise Failed(f"no {next(iter(given)).replace('_', ' ')} was given") from None
    return asked


def _typed(name: str) -> str:
    """What comes over standard input; on a terminal it is not shown."""
    if sys.stdin.isatty():
        text: str = click.prompt(name.replace("_", " "), hide_input=True, err=True)
    else:
        text = sys.stdin.readline(_TYPED_MAX_CHARS + 1)
    if len(text) > _TYPED_MAX_CHARS:
        raise Failed("what was given is too long")
    return text.strip()


def _keys(settings: "Settings") -> "Keys":
    from edgeproxy.keys import load_keys

    return load_keys(settings.keys_dir, make=False)


def _find(settings: "Settings", asked: "Asked") -> "tuple[list[Known], list[HeldVisitor]]":
    """Who it may be, and what is held of those of whom something is."""
    from edgeproxy import erasure

    keys = _keys(settings)

    async def look(reader: "Reader") -> "tuple[list[Known], list[HeldVisitor]]":
        journal = _journal(settings)
        try:
            known = await erasure.find(
                reader, keys.visitor, await _sources(settings, reader), asked
            )
            held = await erasure.held(reader, journal, known)
        finally:
            await journal.close()
        return known, [one for one in held if one.something]

    try:
        return looking(settings, look)
    except Unfit as unfit:
        raise Failed(unfit.message) from None


def _erase(settings: "Settings", known: "list[Known]", asked: "Asked") -> "Receipt":
    from edgeproxy import erasure
    from edgeproxy.keys import new_id
    from edgeproxy.runtime import now_ms

    async def work(store: "Store") -> "Receipt":
        journal = _journal(settings)
        try:
            return await erasure.erase(
                store,
                journal,
                known,
                id=new_id(),
                by=WHO,
                asked_by=erasure.how(asked),
                at_ms=now_ms(),
            )
        finally:
            await journal.close()

    return changing(settings, work)


async def _sources(settings: "Settings", reader: "Reader") -> "tuple[Source, ...]":
    """Those of the file and those that were made at run time."""
    from edgeproxy.roster.assembly import assembled, in_order
    from edgeproxy.roster.records import INTEGRATION, SOURCE

    sources = in_order(await reader.office.records(SOURCE))
    integrations = in_order(await reader.office.records(INTEGRATION))
    return assembled(settings.sources, sources, integrations, lambda _: None).sources


def _journal(settings: "Settings") -> "Journal":
    from edgeproxy.journal import open_journal
    from edgeproxy.runtime import now_ms

    return open_journal(settings.store_url, now_ms=now_ms)


def _show_held(held: "list[HeldVisitor]", *, as_json: bool) -> None:
    if as_json:
        show_json({"visitors": msgspec.to_builtins(held)})
    elif not held:
        click.echo("nothing is held of this person")
    else:
        show(
            [_cells(one, len(one.identity), one.waiting_n, one.dead_n) for one in held],
            columns=_COLUMNS,
        )


def _show_receipt(receipt: "Receipt", *, as_json: bool) -> None:
    if as_json:
        show_json(msgspec.to_builtins(receipt))
        return
    if not receipt.visitors:
        click.echo("nothing was held of this person")
    else:
        rows = [_cells(one, int(one.identity), one.waiting, one.dead) for one in receipt.visitors]
        show(rows, columns=_COLUMNS)
        click.echo()
    click.echo(f"erased; receipt {receipt.id}")


def _cells(one: Any, identity: int, waiting: int, dead: int) -> tuple[str, ...]:
    traces = "?" if one.traces is None else str(one.traces)
    return (one.visitor, one.source or "?", str(identity), str(waiting), str(dead), traces)
