"""The command deploy: print what other programs need to watch the proxy."""

import click


@click.group(epilog="Example: edgeproxy deploy grafana > edgeproxy.json")
def deploy() -> None:
    """Print files for Prometheus and Grafana.

    Prometheus reads /metrics of the admin listener, with a token of the role viewer.
    """


@deploy.command(epilog="Example: edgeproxy deploy grafana > edgeproxy.json")
def grafana() -> None:
    """Print a dashboard to import into Grafana."""
    from edgeproxy import deploy as files

    click.echo(files.grafana(), nl=False)


@deploy.command(epilog="Example: edgeproxy deploy alerts > edgeproxy.rules.yml")
def alerts() -> None:
    """Print alert rules for Prometheus."""
    from edgeproxy import deploy as files

    click.echo(files.alert_rules(), nl=False)
