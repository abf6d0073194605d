"""Commands that run until they are ended: serve, demo, sandbox."""

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from edgeproxy.cli.options import FLAGS, with_settings

if TYPE_CHECKING:
    from edgeproxy.settings import Settings

PORT = click.IntRange(0, 65_535)


@click.command(epilog="Example: edgeproxy serve --config /etc/edgeproxy/edgeproxy.toml")
@click.option(
    "--accept-loss", is_flag=True, help="Begin with an empty store where the database was lost."
)
@with_settings(*FLAGS, quiet=True, stays=True)
def serve(settings: "Settings", accept_loss: bool) -> int:
    """Receive events and deliver them to Snap.

    Ends on SIGTERM: finishes what is under way and exits with 0. What Snap has not got yet stays in
    the store and goes out at the next start.
    """
    from edgeproxy import service

    return service.run(replace(settings, accept_loss=accept_loss))


@click.command(epilog="Example: edgeproxy demo --once")
@click.option(
    "--once", is_flag=True, help="One scripted visit, what Snap got as JSON, and the end."
)
@click.option(
    "--port",
    type=PORT,
    metavar="PORT",
    help="Port of the shop; 8080, or a free one when it is taken.",
)
@click.option("--empty", is_flag=True, help="Begin without the made-up week in the dashboard.")
def demo(once: bool, port: int | None, empty: bool) -> int:
    """Run a shop, the proxy, its dashboard and our own Snap.

    Needs no account and no configuration; everything lies in a temporary folder and listens on
    loopback. With --once the exit status is 1 when something went wrong.
    """
    from edgeproxy import demo as shop

    return shop.run(once=once, empty=empty, host="127.0.0.1", port=port)


@click.command(epilog="Example: edgeproxy sandbox --port 8090")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it listens.")
@click.option(
    "--port", type=PORT, metavar="PORT", default=8090, show_default=True, help="0 takes a free one."
)
@click.option(
    "--refuse-low-match", is_flag=True, help="Refuse events with too few identifiers, too."
)
def sandbox(host: str, port: int, refuse_low_match: bool) -> int:
    """Run the emulator of Snap's API alone.

    Point a proxy to it with EDGEPROXY_UPSTREAM=http://127.0.0.1:8090.
    """
    from edgeproxy import sandbox as emulator

    return emulator.run(host=host, port=port, refuse_low_match=refuse_low_match)
