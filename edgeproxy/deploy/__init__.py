"""Files for those who watch the proxy with Prometheus and Grafana, as they are printed."""

from pathlib import Path

_FOLDER = Path(__file__).parent


def grafana() -> str:
    """A dashboard to import into Grafana; it asks for the Prometheus data source."""
    return (_FOLDER / "grafana.json").read_text(encoding="utf-8")


def alert_rules() -> str:
    """A rule file for Prometheus."""
    return (_FOLDER / "alerts.yml").read_text(encoding="utf-8")
