"""`edgeproxy nginx`: print the configuration of the nginx in front of the proxy."""

from collections.abc import Callable

import click

from edgeproxy import front as fronts


def _checked(check: Callable[[str], str]) -> Callable[..., str | None]:
    """A callback that turns a value's fault into wrong usage."""

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return check(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return read


@click.command(
    epilog="Example: edgeproxy nginx --domain edge.example.com > /etc/nginx/nginx.conf",
)
@click.option(
    "--domain",
    required=True,
    metavar="HOST",
    callback=_checked(fronts.host),
    help="The proxy's host, such as edge.example.com; with a path, the site's.",
)
@click.option(
    "--site",
    metavar="HOST",
    callback=_checked(fronts.host),
    help="The host of the site's pages, where it is another one (path, html).",
)
@click.option(
    "--mode",
    type=click.Choice(fronts.MODES),
    default="subdomain",
    show_default=True,
    help="A host of its own, a path of the site's host, or cookies on the pages themselves.",
)
@click.option(
    "--prefix",
    default="/edge",
    show_default=True,
    metavar="PATH",
    callback=_checked(fronts.path),
    help="The path on the site's host; the proxy's server.prefix must be the same.",
)
@click.option(
    "--upstream",
    default="127.0.0.1:8000",
    show_default=True,
    metavar="ADDRESS",
    callback=_checked(fronts.address),
    help="Where the proxy listens.",
)
@click.option(
    "--backend",
    default="127.0.0.1:8080",
    show_default=True,
    metavar="ADDRESS",
    callback=_checked(fronts.address),
    help="Where the site itself answers (path, html).",
)
def nginx(
    domain: str, site: str | None, mode: fronts.Mode, prefix: str, upstream: str, backend: str
) -> None:
    """Print a complete nginx.conf for the front of the proxy.

    With limits, the tag cached, and logs that name no visitor. Mode "subdomain" is a host for the
    proxy alone; "path" puts it under a path of the site's own host, which is best for Safari; with
    "html" the site's pages bring the cookies, so that no script is needed for them.
    """
    if site is not None and mode == "subdomain":
        click.echo("edgeproxy: --site is for the modes path and html; it changes nothing", err=True)
    if mode == "path":
        domain = site or domain  # the only host there is
    text = fronts.configuration(
        fronts.Front(
            mode=mode,
            domain=domain,
            site=site or "",
            prefix=prefix,
            upstream=upstream,
            backend=backend,
        )
    )
    click.echo(text, nl=False)
