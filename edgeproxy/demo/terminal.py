"""What the demo writes to a terminal: where to look, and one line for each event.

Colours only where a terminal shows them and nobody has said NO_COLOR.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TextIO

import click

from edgeproxy.demo.journey import Card
from edgeproxy.demo.parts import LOOPBACK, Stage
from edgeproxy.demo.words import latency, word_of

_COLOURS = {"good": "green", "warn": "yellow", "bad": "red", "wait": "blue", "quiet": None}
_NAME = 22
_ARROW = " → "


class Terminal:
    """Writes to one stream.

    Args:
        stream: Standard output or error.
        environ: Where `NO_COLOR` may stand.
    """

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        self._stream = stream
        self._colours = stream.isatty() and not environ.get("NO_COLOR")
        self._told: dict[int, int] = {}

    def say(self, line: str = "") -> None:
        """Write one line."""
        click.echo(line, file=self._stream, color=self._colours)

    def addresses(self, stage: Stage) -> None:
        """Write where to look."""
        self.say(click.style("edgeproxy demo", bold=True) + "  a shop, the proxy and our own Snap")
        self.say()
        for name, url, what in (
            ("shop", stage.origin, "click the ad, agree, buy something"),
            ("dash", f"{stage.origin}/dashboard", "the proxy’s dashboard, logged in at once"),
            ("play", f"{stage.origin}/backstage", "what if: robots, outages, a broken token"),
            ("snap", stage.sandbox_url, "our Snap, as strict as Snap’s documentation"),
        ):
            where = click.style(f"{url:<31}", bold=True)
            self.say(f"  {name}  {where}  {click.style(what, dim=True)}")
        self.say()
        api = stage.admin_url.replace(LOOPBACK, "localhost")
        self.say(click.style(f"  API {api}, admin token {stage.admin_token}", dim=True))
        self.say(click.style("  Nothing leaves this machine. Ctrl-C ends it.", dim=True))
        self.say()

    def follow(self, card: Card | None) -> None:
        """Write a line when an event has come to a verdict, or to another answer of Snap."""
        if card is None or not (card.final or card.tries):
            return
        stage = len(card.tries)
        if self._told.get(card.n, -1) >= stage:
            return
        self._told[card.n] = stage
        self.say(self._line(card))

    def _line(self, card: Card) -> str:
        word = word_of(card)
        at = datetime.fromtimestamp(card.at_ms / 1000).astimezone()
        verdict = click.style(word.short.lower(), fg=_COLOURS[word.tone], bold=word.tone == "good")
        parts = [f"{card.called or card.name:<{_NAME}}"]
        if card.tries:
            parts += [f"{card.name:<14}", f"Snap: {verdict} {self._answer(card)}"]
        else:
            parts += [f"{card.name or 'not sent':<14}", f"{verdict}: {word.sentence}"]
        return f"  {click.style(f'{at:%H:%M:%S}', dim=True)}  {_ARROW.join(parts)}"

    def _answer(self, card: Card) -> str:
        answer = card.tries[-1]
        status = answer.status or answer.message or "no answer"
        attempt = f", attempt {len(card.tries)}" if len(card.tries) > 1 else ""
        return click.style(f"({status}, {latency(answer)}{attempt})", dim=True)
