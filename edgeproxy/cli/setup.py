"""Commands that help to set a site up: snippet."""

import click

from edgeproxy.cli.options import JSON
from edgeproxy.cli.table import show_json


@click.command(epilog="Example: edgeproxy snippet --endpoint https://edge.example.com")
@click.option(
    "--platform",
    type=click.Choice(["html"]),
    default="html",
    show_default=True,
    help="Kind of site.",
)
@click.option(
    "--endpoint",
    metavar="URL",
    help="Where browsers reach the proxy, such as https://edge.example.com.",
)
@click.option(
    "--consent",
    type=click.Choice(["required", "implied"]),
    default="required",
    show_default=True,
    help="The same as the source's rule.",
)
@click.option("--global", "name", default="edge", show_default=True, help="Name of the tag's API.")
@click.option("--no-auto", is_flag=True, help="No automatic page view.")
@JSON
def snippet(
    platform: str,
    endpoint: str | None,
    consent: str,
    name: str,
    no_auto: bool,
    as_json: bool,
) -> None:
    """Print what a site pastes into its pages."""
    from edgeproxy import snippets

    try:
        address = snippets.endpoint_of(endpoint or snippets.PLACEHOLDER)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--endpoint") from None
    try:
        made = snippets.snippet(
            snippets.Tag(
                endpoint=address,
                consent="implied" if consent == "implied" else "required",
                name=name,
                auto=not no_auto,
            ),
            platform=platform,
        )
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--global") from None
    if endpoint is None:
        click.echo(f"edgeproxy: {address} stands for your own; give --endpoint", err=True)
    if as_json:
        show_json({"code": made.code, "place": made.place, "policy": made.policy})
    else:
        click.echo(f"<!-- {made.place} -->\n{made.code}")
        click.echo(f"<!-- a Content-Security-Policy has to allow: {made.policy} -->")
