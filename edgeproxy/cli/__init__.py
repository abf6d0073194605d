"""The commands: options, printing, exit status. What they do lives in the modules below.

`main` is the only place that turns exceptions into exit statuses. Nothing heavy is imported here:
a command's module is loaded when it is called.
"""

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Sequence

import click

from edgeproxy import __version__
from edgeproxy.errors import EdgeproxyError

COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("edgeproxy.cli.serve", "Receive events and deliver them to Snap."),
    "demo": ("edgeproxy.cli.serve", "Run a shop, the proxy, its dashboard and our own Snap."),
    "sandbox": ("edgeproxy.cli.serve", "Run the emulator of Snap's API alone."),
    "send-test": ("edgeproxy.cli.probe", "Send a test event to Snap and say what came back."),
    "healthcheck": ("edgeproxy.cli.probe", "Ask a running proxy on this machine how it is."),
    "status": (
        "edgeproxy.cli.status",
        "Show what waits, was delivered and is dead, for each integration.",
    ),
    "tail": ("edgeproxy.cli.tail", "Show what comes in and goes out, live."),
    "dead": ("edgeproxy.cli.dead", "List, replay or discard the events that Snap did not take."),
    "forget": (
        "edgeproxy.cli.forget",
        "Erase a person: queue, dead letters, identity, traces.",
    ),
    "doctor": (
        "edgeproxy.cli.doctor",
        "Check the store: its file, its room on the disk, its ledger.",
    ),
    "snippet": ("edgeproxy.cli.setup", "Print what a site pastes into its pages."),
    "nginx": ("edgeproxy.cli.nginx", "Print a complete nginx.conf for the front of the proxy."),
    "deploy": ("edgeproxy.cli.deploy", "Print files for Prometheus and Grafana."),
    "config": ("edgeproxy.cli.show", "Show the settings in effect, or the schema of the file."),
    "keys": ("edgeproxy.cli.keys", "Make or rotate the local keys."),
    "token": ("edgeproxy.cli.keys", "Make tokens."),
}
"""Command → (module, first line of its help)."""

CANCELLED = 130
"""Exit status after Ctrl-C: 128 and SIGINT's number."""


class _Commands(click.Group):
    """Commands by the table, loaded when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = args[0] in COMMANDS or args[0].startswith("-")
        if not known and not ctx.resilient_parsing:
            raise click.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: edgeproxy demo",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def edgeproxy() -> None:
    """The self-hosted first-party edge for Snapchat conversions.

    Settings come from edgeproxy.toml, from EDGEPROXY_… variables and from flags.

    Exit status: 0 done, 1 it ran and failed, 2 wrong usage, 78 bad configuration, 130 interrupted.
    """


def main(args: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without UTF-8
    try:
        status = edgeproxy.main(args, prog_name="edgeproxy", standalone_mode=False)
        sys.stdout.flush()
    except EdgeproxyError as error:
        status = _say(str(error), error.exit_status)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        status = CANCELLED
    except (SystemExit, BrokenPipeError):  # a closed pipe, which click answers with SystemExit
        status = _without_output()
    except OSError as error:
        status = _say(str(error), _without_output())
    return status if isinstance(status, int) else 0


def _say(message: str, status: int) -> int:
    print(f"edgeproxy: {message}", file=sys.stderr)
    return status


def _without_output() -> int:
    """Drop what cannot be written, so that the interpreter's end does not complain about it."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    return 1
