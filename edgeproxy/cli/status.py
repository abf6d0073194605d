"""The command status: the queue, the gate and the ledger of each integration."""

from typing import TYPE_CHECKING

import click
import msgspec

from edgeproxy.cli.lookup import age, configured, instant, looking
from edgeproxy.cli.options import JSON, with_settings
from edgeproxy.cli.table import show, show_json
from edgeproxy.errors import Failed
from edgeproxy.health.problems import CURES, REMOVED

if TYPE_CHECKING:
    from edgeproxy.settings import Settings
    from edgeproxy.store.base import Counts, Gate, Reader

COLUMNS = (
    "integration",
    "gate",
    "waiting",
    "in flight",
    "oldest",
    "delivered",
    "duplicates",
    "dead",
    "ledger",
)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """One integration, as it is shown. `dead` are the letters that are there now."""

    integration: str
    configured: bool
    enabled: bool
    gate: str
    reason: str
    since: str
    next_probe_s: float | None
    cure: str
    waiting: int
    in_flight: int
    oldest_s: float
    dead: int
    balanced: bool
    ledger: dict[str, int]


@click.command(epilog="Example: edgeproxy status --json")
@JSON
@with_settings(quiet=True)
def status(settings: "Settings", as_json: bool) -> None:
    """Show what waits, was delivered and is dead, for each integration.

    Reads the store, so it works whether the server runs or not. The exit status is 1 when the
    ledger does not add up: every event that was accepted must be delivered, dead, erased or
    waiting.
    """
    states = looking(settings, lambda reader: read(reader, settings))
    if as_json:
        balanced = all(one.balanced for one in states)
        show_json({"balanced": balanced, "integrations": msgspec.to_builtins(states)})
    else:
        show([_row(one) for one in states], columns=COLUMNS)
        for one in states:
            _explain(one)
    wrong = [one.integration for one in states if not one.balanced]
    if wrong:
        raise Failed(f"the ledger of {', '.join(wrong)} does not add up")


async def read(reader: "Reader", settings: "Settings") -> list[State]:
    """Every integration that is configured or ever had a row, by name."""
    from edgeproxy.store.base import Counts

    ours = await configured(settings, reader)
    counted = {counts.integration: counts for counts in await reader.stats()}
    return [
        _state(
            counted.get(name) or Counts(integration=name),
            await reader.gate(name),
            configured=name in ours,
            enabled=ours.get(name, False),
        )
        for name in sorted({*ours, *counted})
    ]


def _state(counts: "Counts", gate: "Gate", *, configured: bool, enabled: bool) -> State:
    from edgeproxy.store.base import LEDGER

    return State(
        integration=counts.integration,
        configured=configured,
        enabled=enabled,
        gate=gate.state,
        reason=gate.reason,
        since=instant(gate.since_ms) if gate.since_ms else "",
        next_probe_s=gate.probe_in_s,
        cure=CURES[gate.state] if configured else REMOVED,
        waiting=counts.pending - counts.leased,
        in_flight=counts.leased,
        oldest_s=counts.oldest_s,
        dead=counts.dead_now,
        balanced=counts.balanced,
        ledger={name: getattr(counts, name) for name in LEDGER},
    )


def _row(one: State) -> tuple[str, ...]:
    gate = one.gate if one.configured else "not configured"
    return (
        one.integration,
        "switched off" if one.configured and not one.enabled else gate,
        str(one.waiting),
        str(one.in_flight),
        age(one.oldest_s) or "–",
        str(one.ledger["delivered"]),
        str(one.ledger["duplicate"]),
        str(one.dead),
        "balanced" if one.balanced else "WRONG",
    )


def _explain(one: State) -> None:
    """Why an integration does not deliver, and what would help."""
    if not one.configured:
        if one.waiting or one.in_flight:
            click.echo(f"\n{one.integration}: {one.cure}")
    elif one.gate != "open":
        click.echo(f"\n{one.integration} is {one.gate} since {one.since}: {one.reason}")
        click.echo(f"  {one.cure}")
