"""Commands that help to set a site up: snippet."""

import click

from edgeproxy.cli.options import JSON
from edgeproxy.cli.table import show_json

_OPTIONS = {
    "endpoint": "--endpoint",
    "name": "--global",
    "pixel": "--pixel",
    "layer": "--layer",
    "cmp": "--cmp",
}
"""Field of `snippets.Tag` → the option that gives it."""


@click.command(epilog="Example: edgeproxy snippet --endpoint https://edge.example.com")
@click.option(
    "--platform",
    type=click.Choice(["html", "snaptr", "gtm", "shopify", "woocommerce", "segment"]),
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
@click.option("--pixel", default="", metavar="ID", help="Send to this pixel alone; for snaptr.")
@click.option(
    "--global",
    "name",
    default="",
    metavar="NAME",
    help="Name of the tag's API; by default edge, for segment analytics.",
)
@click.option("--layer", default="", metavar="NAME", help="Data layer to read, such as dataLayer.")
@click.option("--cmp", default="", metavar="NAMES", help='Consent adapters, "tcf gpp google".')
@click.option("--no-auto", is_flag=True, help="No automatic page view.")
@click.option("--noscript", is_flag=True, help="A page view without JavaScript too.")
@click.option(
    "--integrity",
    is_flag=True,
    help="Pin the tag to this version; paste anew after each upgrade.",
)
@JSON
def snippet(
    platform: str,
    endpoint: str | None,
    consent: str,
    pixel: str,
    name: str,
    layer: str,
    cmp: str,
    no_auto: bool,
    noscript: bool,
    integrity: bool,
    as_json: bool,
) -> None:
    """Print what a site pastes into its pages."""
    from edgeproxy import snippets

    file, digest = _pinned() if integrity else ("s.js", "")
    try:
        address = snippets.endpoint_of(endpoint or snippets.PLACEHOLDER)
        made = snippets.snippet(
            snippets.Tag(
                endpoint=address,
                consent="implied" if consent == "implied" else "required",
                name=name,
                auto=not no_auto,
                pixel=pixel,
                layer=layer,
                cmp=cmp,
                noscript=noscript,
                file=file,
                integrity=digest,
            ),
            platform=platform,
        )
    except snippets.Fault as fault:
        raise click.BadParameter(str(fault), param_hint=_OPTIONS[fault.field]) from None
    if endpoint is None:
        click.echo(f"edgeproxy: {address} stands for your own; give --endpoint", err=True)
    for placeholder in made.todo:
        click.echo(f"edgeproxy: put your own in place of {placeholder}", err=True)
    if as_json:
        show_json({"code": made.code, "place": made.place, "policy": made.policy})
        return
    begin, end = made.comment
    click.echo(f"{begin}{made.place}{end}\n{made.code}")
    click.echo(f"{begin}a Content-Security-Policy has to allow: {made.policy}{end}")


def _pinned() -> tuple[str, str]:
    """The tag's file name with its hash in it, and its digest."""
    from edgeproxy.web.assets import load

    asset = load("s.js")
    return f"s.{asset.hash}.js", asset.integrity
