"""The command tail: what comes in and goes out, as the store's books show it.

It compares the ledger, the gates and the dead letters from one look to the next. So it sees the
work of every process and every machine on the store and costs the server nothing, and it shows
single events only when they died: what was delivered is not kept.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import msgspec

from edgeproxy.cli.lookup import configured, event_id, looking, require_known
from edgeproxy.cli.options import JSON, with_settings
from edgeproxy.errors import StoreBusy

if TYPE_CHECKING:
    from edgeproxy.settings import Settings
    from edgeproxy.store.base import Counts, DeadLetter, Gate, Reader

LOOK_S = 1.0
"""Between two looks."""

_FIRST_LETTERS = 10
_LETTERS = 200
_WORDS = {
    "accepted": "accepted",
    "duplicate": "duplicates",
    "delivered": "delivered",
    "dead": "dead",
    "replayed": "replayed",
    "replay_dup": "superseded",
    "discarded": "discarded",
    "erased": "erased",
    "erased_dead": "erased dead",
    "aged_out": "aged out",
}
"""Column of the ledger → the word for it."""

News = dict[str, object]
"""One line of output: `at_ms`, `kind` (counts, gate or dead), `integration`, and what happened."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What the store's books said at one moment. `letters` are new, the oldest first."""

    at_ms: int
    counts: "Mapping[str, Counts]" = {}
    gates: "Mapping[str, Gate]" = {}
    letters: "tuple[DeadLetter, ...]" = ()
    last_letter: int = 0


@click.command(epilog="Example: edgeproxy tail --json")
@click.option(
    "--follow/--no-follow",
    "-f",
    default=True,
    show_default=True,
    help="Go on until Ctrl-C, or show how it stands and end.",
)
@click.option("--integration", metavar="ID", help="Only this one.")
@JSON
@with_settings(quiet=True)
def tail(settings: "Settings", follow: bool, integration: str | None, as_json: bool) -> None:
    """Show what comes in and goes out, live.

    First how it stands and the last dead letters; then a line whenever events were accepted,
    delivered or died, or an integration paused or went on. With --json one object a line.
    """

    async def work(reader: "Reader") -> None:
        counted = [one.integration for one in await reader.stats()]
        require_known(integration, {*await configured(settings, reader), *counted})
        async for news in _news(reader, integration, follow=follow):
            click.echo(json.dumps(news, ensure_ascii=False) if as_json else _line(news))

    looking(settings, work)


async def _news(reader: "Reader", integration: str | None, *, follow: bool) -> AsyncIterator[News]:
    before = await _look(reader, integration, after=None)
    for news in _standing(before):
        yield news
    while follow:
        await asyncio.sleep(LOOK_S)
        try:
            now = await _look(reader, integration, after=before.last_letter)
        except StoreBusy:
            continue
        for news in _changes(before, now):
            yield news
        before = now


async def _look(reader: "Reader", integration: str | None, *, after: int | None) -> Look:
    """The books now, with the dead letters after an id (or the last few)."""
    from edgeproxy.runtime import now_ms

    counts = {
        one.integration: one
        for one in await reader.stats()
        if integration in (None, one.integration)
    }
    limit = _FIRST_LETTERS if after is None else _LETTERS
    newest = await reader.dead_letters(integration=integration, limit=limit)
    letters = tuple(one for one in reversed(newest) if one.id > (after or 0))
    return Look(
        at_ms=now_ms(),
        counts=counts,
        gates={name: await reader.gate(name) for name in counts},
        letters=letters,
        last_letter=newest[0].id if newest else after or 0,
    )


def _standing(look: Look) -> Iterator[News]:
    for letter in look.letters:
        yield _dead(letter)
    for name, counts in look.counts.items():
        yield _counted(look, name, {word: getattr(counts, word) for word in _WORDS})
        if look.gates[name].state != "open":
            yield _moved(look, name, "open")


def _changes(before: Look, now: Look) -> Iterator[News]:
    for name, counts in now.counts.items():
        old = before.counts.get(name)
        yield from _counted_since(now, name, old, counts)
        state = before.gates[name].state if old else "open"
        if now.gates[name].state != state:
            yield _moved(now, name, state)
    for letter in now.letters:
        yield _dead(letter)


def _counted_since(now: Look, name: str, old: "Counts | None", counts: "Counts") -> Iterator[News]:
    more = {word: getattr(counts, word) - (getattr(old, word) if old else 0) for word in _WORDS}
    if any(more.values()):
        yield _counted(now, name, more)


def _counted(look: Look, name: str, numbers: Mapping[str, int]) -> News:
    counts = look.counts[name]
    told = {word: n for word, n in numbers.items() if n}
    return {
        "at_ms": look.at_ms, "kind": "counts", "integration": name, **told,
        "waiting": counts.pending - counts.leased, "in_flight": counts.leased,
    }  # fmt: skip


def _moved(look: Look, name: str, state: str) -> News:
    gate = look.gates[name]
    return {
        "at_ms": look.at_ms, "kind": "gate", "integration": name,
        "before": state, "after": gate.state, "reason": gate.reason,
    }  # fmt: skip


def _dead(letter: "DeadLetter") -> News:
    return {
        "at_ms": letter.died_ms, "kind": "dead", "integration": letter.integration,
        "id": letter.id, "event": letter.name, "event_id": event_id(letter.body),
        "reason": letter.reason, "detail": letter.detail,
    }  # fmt: skip


def _line(news: News) -> str:
    at_ms = news["at_ms"]
    assert isinstance(at_ms, int)  # noqa: S101 - for the type checker
    at = f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone():%H:%M:%S}"
    return f"{at}  {news['integration']}  {_said(news)}"


def _said(news: News) -> str:
    if news["kind"] == "gate":
        why = f": {news['reason']}" if news["reason"] else ""
        return f"gate {news['before']} → {news['after']}{why}"
    if news["kind"] == "dead":
        words = f": {news['detail']}" if news["detail"] else ""
        return (
            f"dead letter {news['id']}, {news['event']} {news['event_id']}: {news['reason']}{words}"
        )
    told = [f"{news[column]} {word}" for column, word in _WORDS.items() if column in news]
    return ", ".join([*told, f"{news['waiting']} waiting", f"{news['in_flight']} in flight"])
