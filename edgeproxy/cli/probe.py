"""Commands that ask and report: send-test, healthcheck."""

import http.client
import threading
from typing import TYPE_CHECKING

import click
import msgspec

from edgeproxy.cli.options import JSON, with_settings
from edgeproxy.cli.table import show, show_json
from edgeproxy.errors import Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeproxy.settings import Settings
    from edgeproxy.trial import TestResult

COLUMNS = ("integration", "result", "status", "took", "message")

DEADLINE_S = 3.0
"""For the whole healthcheck; container runtimes ask every few seconds."""

_BODY_MAX_BYTES = 500
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - listening on all includes loopback


def _snap_name(ctx: click.Context, option: click.Parameter, value: str) -> str:
    from edgeproxy.catalog import SNAP_NAMES

    name = value.strip().upper()
    if name not in SNAP_NAMES:
        raise click.BadParameter("is none of Snap's event names, such as PAGE_VIEW or PURCHASE")
    return name


@click.command("send-test", epilog="Example: edgeproxy send-test --integration shop-5a3e0c1d")
@click.option("--integration", metavar="ID", help="Only this one; all when not given.")
@click.option(
    "--event", default="PAGE_VIEW", show_default=True, callback=_snap_name, help="Snap's name."
)
@click.option("--api", type=click.Choice(["v2", "v3"]), help="Another version than the configured.")
@JSON
@with_settings()
def send_test(
    settings: "Settings", integration: str | None, event: str, api: str | None, as_json: bool
) -> None:
    """Send a test event to Snap and say what came back.

    It goes to Snap's validate endpoint and counts nowhere. The exit status is 1 when an integration
    was refused.
    """
    from edgeproxy import runtime

    results = runtime.send_test(settings, integration=integration, event=event, api=api)
    _report(results, as_json=as_json)


def _report(results: "Sequence[TestResult]", *, as_json: bool) -> None:
    if as_json:
        show_json([msgspec.to_builtins(result) for result in results])
    else:
        show([_row(result) for result in results], columns=COLUMNS)
    failed = sum(not result.ok for result in results)
    if failed:
        raise Failed(f"{failed} of {len(results)} test events did not pass")


def _row(result: "TestResult") -> tuple[str, ...]:
    return (
        result.integration,
        "ok" if result.ok else "failed",
        str(result.status or "–"),
        f"{result.latency_ms} ms",
        result.message,
    )


@click.command(epilog="Example: edgeproxy healthcheck --live")
@click.option(
    "--live", is_flag=True, help="Only whether the process lives, not whether it is ready."
)
@with_settings("server.host", "server.port", "server.prefix", quiet=True)
def healthcheck(settings: "Settings", live: bool) -> None:
    """Ask a running proxy on this machine how it is.

    For containers without curl. Ready means that an event can be made durable now. The exit status
    is 1 when it is not, or when there is no answer within 3 seconds.
    """
    host = _ANY.get(settings.host, settings.host)
    path = f"{settings.prefix}/{'healthz' if live else 'readyz'}"
    answer = _ask(host, settings.port, path)
    click.echo(answer)


def _ask(host: str, port: int, path: str) -> str:
    """What an HTTP GET says, within the deadline whatever the server does; Failed when not 200."""
    found: list[tuple[int, str]] = []
    faults: list[str] = []

    def ask() -> None:
        connection = http.client.HTTPConnection(host, port, timeout=DEADLINE_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            found.append((response.status, _printable(response.read(_BODY_MAX_BYTES))))
        except OSError as error:
            faults.append(error.strerror or str(error))
        except http.client.HTTPException as error:
            faults.append(f"no HTTP answer ({type(error).__name__})")
        finally:
            connection.close()

    asking = threading.Thread(target=ask, daemon=True)  # a drip keeps every read within its timeout
    asking.start()
    asking.join(DEADLINE_S)
    where = f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"
    if not found:
        raise Failed(f"{where}: {faults[0] if faults else f'no answer within {DEADLINE_S:g} s'}")
    status, body = found[0]
    if status != http.client.OK:
        raise Failed(f"{where} answers {status}: {body}")
    return body


def _printable(body: bytes) -> str:
    text = body.decode(errors="replace").strip()
    return "".join(letter if letter.isprintable() else " " for letter in text)
