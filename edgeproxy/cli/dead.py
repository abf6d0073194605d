"""The command dead: look at the events that Snap did not take, send them again, or delete them."""

import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgeproxy.cli.lookup import (
    changing,
    configured,
    event_id,
    instant,
    looking,
    require_known,
)
from edgeproxy.cli.options import JSON, with_settings
from edgeproxy.cli.table import show, show_json
from edgeproxy.errors import Failed, StoreBusy
from edgeproxy.outcome import DEAD_REASONS

if TYPE_CHECKING:
    from edgeproxy.settings import Settings
    from edgeproxy.store.base import DeadLetter, Reader, Store

COLUMNS = ("id", "integration", "event", "event id", "died", "attempts", "reason", "detail")

_PAGE = 1000
_CHUNK = 100
_NAMED = 5

Reasons = Counter[tuple[str, str]]
"""(integration, reason) → how many dead letters."""

INTEGRATION = click.option("--integration", metavar="ID", help="Only those of this one.")
REASON = click.option(
    "--reason", type=click.Choice(DEAD_REASONS), metavar="REASON", help="Only those that died so."
)
LIMIT = click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="N",
    help="At most so many, the newest first.",
)
ALL = click.option("--all", "everything", is_flag=True, help="All that the other options leave.")
IDS = click.argument("ids", nargs=-1, type=click.IntRange(min=1), metavar="[ID]...")


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter, as it is shown."""

    id: int
    integration: str
    event: str
    event_id: str
    died: str
    attempts: int
    reason: str
    detail: str


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters a command is about."""

    ids: tuple[int, ...] = ()
    integration: str | None = None
    reason: str | None = None
    limit: int = 1000


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The dead letters of a choice, and how many more it would have taken."""

    ids: tuple[int, ...]
    reasons: Reasons
    left: int


@click.group(epilog="Example: edgeproxy dead ls")
def dead() -> None:
    """List, replay or discard the events that Snap did not take.

    They are kept for 30 days.
    """


@dead.command(epilog="Example: edgeproxy dead ls --reason rejected --limit 20")
@INTEGRATION
@REASON
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    metavar="N",
    help="List so many, the newest first; all are counted.",
)
@JSON
@with_settings(quiet=True)
def ls(
    settings: "Settings", integration: str | None, reason: str | None, limit: int, as_json: bool
) -> None:
    """Count the dead letters by reason and list the newest."""
    choice = Choice(integration=integration, reason=reason, limit=limit)
    letters, reasons = looking(settings, lambda reader: _list(reader, settings, choice))
    if as_json:
        found = msgspec.to_builtins(letters)
        show_json({"total": reasons.total(), "reasons": _told(reasons), "letters": found})
    elif not reasons:
        click.echo("there are no dead letters")
    else:
        rows = [tuple(str(cell) for cell in msgspec.structs.astuple(one)) for one in letters]
        if rows:
            show(rows, columns=COLUMNS)
            click.echo()
        show(_rows(reasons), columns=("integration", "reason", "events"))


@dead.command(epilog="Example: edgeproxy dead replay --reason ambiguous_200")
@IDS
@ALL
@INTEGRATION
@REASON
@LIMIT
@JSON
@with_settings(quiet=True)
def replay(settings: "Settings", as_json: bool, **given: Any) -> None:
    """Queue dead letters again, by id or by a filter.

    They go out with the same event id and time, without IP address and user agent, which were
    erased. One whose event was accepted anew meanwhile is dropped instead, and counted.
    """
    chosen = _choose(settings, given)
    done = in_chunks(settings, chosen.ids, "replayed", lambda store: store.replay)
    if as_json:
        gone = len(chosen.ids) - done
        show_json(
            {"asked": len(chosen.ids), "replayed": done, "superseded": gone, "left": chosen.left}
        )
        return
    click.echo(f"{done} of {len(chosen.ids)} dead letters are queued again")
    if done < len(chosen.ids):
        click.echo(f"{len(chosen.ids) - done} gave way to a later copy of the same event")
    _tell_left(chosen)


@dead.command(epilog="Example: edgeproxy dead discard --reason expired --yes")
@IDS
@ALL
@INTEGRATION
@REASON
@LIMIT
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
@with_settings(quiet=True)
def discard(settings: "Settings", yes: bool, as_json: bool, **given: Any) -> None:
    """Delete dead letters for good, by id or by a filter; the ledger records it."""
    if not (yes or sys.stdin.isatty()):
        raise click.UsageError("nobody can be asked here; say --yes")
    chosen = _choose(settings, given)
    if chosen.ids and not yes:
        show(_rows(chosen.reasons), columns=("integration", "reason", "events"))
        if not click.confirm(f"Delete {len(chosen.ids)} dead letters for good?", err=True):
            raise Failed("nothing was discarded")
    done = in_chunks(settings, chosen.ids, "discarded", lambda store: store.discard)
    if as_json:
        show_json({"asked": len(chosen.ids), "discarded": done, "left": chosen.left})
        return
    click.echo(f"{done} of {len(chosen.ids)} dead letters are deleted")
    _tell_left(chosen)


async def _list(
    reader: "Reader", settings: "Settings", choice: Choice
) -> tuple[list[Letter], Reasons]:
    """The newest of a choice, and all of it by reason."""
    await _require_known(reader, settings, choice)
    letters: list[Letter] = []
    reasons = Reasons()
    async for one in _pages(reader, choice):
        reasons[one.integration, one.reason] += 1
        if len(letters) < choice.limit:
            letters.append(_letter(one))
    return letters, reasons


def _choose(settings: "Settings", given: dict[str, Any]) -> Chosen:
    """What the arguments name; wrong usage when they name nothing or too much."""
    everything = given.pop("everything")
    filtered = everything or given["reason"] or given["integration"]
    if bool(given["ids"]) == bool(filtered):
        raise click.UsageError("name ids, or else --all, --reason or --integration")
    choice = Choice(**given)
    find = _find_ids if choice.ids else _find
    return looking(settings, lambda reader: find(reader, settings, choice))


async def _find_ids(reader: "Reader", settings: "Settings", choice: Choice) -> Chosen:
    wanted = sorted(set(choice.ids), reverse=True)
    reasons, missing = Reasons(), []
    for id_ in wanted:
        found = await reader.dead_letters(before=id_ + 1, limit=1)
        if found and found[0].id == id_:
            reasons[found[0].integration, found[0].reason] += 1
        else:
            missing.append(str(id_))
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        names = ", ".join(missing[:_NAMED])
        raise Failed(f"there is no dead letter {names}{more}; nothing was done")
    return Chosen(ids=tuple(wanted), reasons=reasons, left=0)


async def _find(reader: "Reader", settings: "Settings", choice: Choice) -> Chosen:
    await _require_known(reader, settings, choice)
    ids: list[int] = []
    reasons, left = Reasons(), 0
    async for one in _pages(reader, choice):
        if len(ids) < choice.limit:
            ids.append(one.id)
            reasons[one.integration, one.reason] += 1
        else:
            left += 1
    return Chosen(ids=tuple(ids), reasons=reasons, left=left)


async def _pages(reader: "Reader", choice: Choice) -> "AsyncIterator[DeadLetter]":
    """Every dead letter of a filter, the newest first, a page at a time."""
    before = None
    while page := await reader.dead_letters(
        integration=choice.integration, reason=choice.reason, before=before, limit=_PAGE
    ):
        for one in page:
            yield one
        before = page[-1].id


async def _require_known(reader: "Reader", settings: "Settings", choice: Choice) -> None:
    if choice.integration is not None:
        counted = [counts.integration for counts in await reader.stats()]
        require_known(choice.integration, {*await configured(settings, reader), *counted})


def in_chunks(
    settings: "Settings",
    ids: Sequence[int],
    done_word: str,
    method: "Callable[[Store], Callable[[Sequence[int]], Awaitable[int]]]",
) -> int:
    """Do it to all ids, a hundred in a transaction, with progress on a terminal.

    Args:
        settings: Where the store is.
        ids: Of dead letters.
        done_word: What is done to them, for people.
        method: The store's method for it, which returns how many it was done to.

    Returns:
        How many it was done to.

    Raises:
        Failed: The store could not be written; says how far it came.
    """

    async def work(store: "Store") -> int:
        done = 0
        with _progress(ids, done_word) as chunks:
            for chunk in chunks:
                try:
                    done += await method(store)(chunk)
                except StoreBusy as error:
                    said = f"{done} were {done_word}, then it failed: {error.message}"
                    raise Failed(said) from error
        return done

    return changing(settings, work) if ids else 0


@contextmanager
def _progress(ids: Sequence[int], done_word: str) -> Iterator[Iterator[Sequence[int]]]:
    chunks = [ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK)]
    if len(chunks) == 1 or not sys.stderr.isatty():
        yield iter(chunks)
        return
    with click.progressbar(chunks, label=done_word, file=sys.stderr) as bar:
        yield iter(bar)


def _tell_left(chosen: Chosen) -> None:
    if chosen.left:
        click.echo(f"{chosen.left} more match; repeat the command, or raise --limit")


def _letter(one: "DeadLetter") -> Letter:
    return Letter(
        id=one.id,
        integration=one.integration,
        event=one.name,
        event_id=event_id(one.body),
        died=instant(one.died_ms),
        attempts=one.attempt,
        reason=one.reason,
        detail=one.detail,
    )


def _rows(reasons: Reasons) -> list[tuple[str, str, str]]:
    return [(where, why, str(n)) for (where, why), n in sorted(reasons.items())]


def _told(reasons: Reasons) -> list[dict[str, object]]:
    return [
        {"integration": where, "reason": why, "events": n}
        for (where, why), n in sorted(reasons.items())
    ]
