"""What Prometheus and Grafana get: valid, and about metrics that exist."""

import json
import re
from typing import Any

import pytest

from edgeproxy import deploy
from edgeproxy.catalog import SNAP_NAMES, VIEWS
from edgeproxy.cli import main
from edgeproxy.metrics import families
from edgeproxy.outcome import AnswerClass, GateState
from tests.test_metrics import SNAPSHOT, samples

METRIC = re.compile(r"\bedgeproxy_[a-z0-9_]+")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')

LABELS: dict[str, set[str]] = {
    "state": set(GateState.__args__),  # type: ignore[attr-defined]
    "outcome": set(AnswerClass.__args__),  # type: ignore[attr-defined]
    "event": set(SNAP_NAMES),
}


def exist() -> set[str]:
    """Every name that can be asked for: those of a proxy in use."""
    return {name for name, _ in samples()}


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(deploy.grafana())["panels"]
    return found


def grafana_expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel.get("targets", ())]


def rule_expressions() -> list[str]:
    """The `expr` of each rule, one line or a block that is indented further."""
    found, lines = [], deploy.alert_rules().splitlines()
    for place, line in enumerate(lines):
        if not line.startswith("        expr: "):
            continue
        text = line.removeprefix("        expr: ")
        if text == "|":
            block = lines[place + 1 :]
            end = next(n for n, one in enumerate(block) if not one.startswith(" " * 10))
            text = " ".join(one.strip() for one in block[:end])
        found.append(text)
    return found


@pytest.mark.parametrize("expression", [*grafana_expressions(), *rule_expressions()])
def test_every_metric_and_every_value_that_is_asked_for_exists(expression: str) -> None:
    names = METRIC.findall(expression)

    assert names
    assert set(names) <= exist()
    for label, _, values in MATCHER.findall(expression):
        if not values.startswith("$"):
            assert set(values.split("|")) <= LABELS[label], label
    assert expression.count("(") == expression.count(")")
    assert expression.count("{") == expression.count("}")


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {name for text in grafana_expressions() for name in METRIC.findall(text)}
    stems = {re.sub("_(total|bucket)$", "", name) for name in shown}

    assert {family.name for family in families(SNAPSHOT)} == stems


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    board = json.loads(deploy.grafana())
    ids = [panel["id"] for panel in board["panels"]]

    assert (board["title"], board["uid"]) == ("edgeproxy", "edgeproxy")
    assert len(ids) == len(set(ids))
    assert {one["name"] for one in board["templating"]["list"]} == {"datasource", "integration"}
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["type"] == "row" or panel["datasource"]["uid"] == "${datasource}"


def test_no_two_panels_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_rule_has_a_name_a_severity_and_words() -> None:
    rules = deploy.alert_rules().split("      - alert: ")[1:]

    assert len(rules) == len(rule_expressions()) >= 7
    assert len({rule.splitlines()[0] for rule in rules}) == len(rules)
    for rule in rules:
        assert re.search(r"\n          severity: (critical|warning)\n", rule)
        assert re.search(r"\n          summary: \S", rule)
        assert re.search(r"\n          description: \S", rule)
    assert all(
        "|".join(["PAGE_VIEW", "VIEW_CONTENT", "LIST_VIEW"]) in one
        for one in rules
        if "offset" in one
    )
    assert {"PAGE_VIEW", "VIEW_CONTENT", "LIST_VIEW"} == VIEWS


def test_the_rules_are_yaml_without_traps() -> None:
    """A value with a colon and a blank, or that begins with a brace, must be quoted."""
    block = False
    for line in deploy.alert_rules().splitlines():
        key, colon, value = line.strip().removeprefix("- ").partition(": ")
        block = value == "|" or (block and line.startswith(" " * 10) and not key.isidentifier())
        if not colon or block or line.lstrip().startswith("#"):
            continue
        quoted = value.startswith('"') and value.endswith('"')
        assert quoted or not value.startswith(("{", "[", "*", "&", "!", "%", "@", "`")), line
        assert quoted or ": " not in value, line
        assert quoted or " #" not in value, line


@pytest.mark.parametrize(
    ("what", "text"), [("grafana", deploy.grafana()), ("alerts", deploy.alert_rules())]
)
def test_the_command_prints_the_file(
    what: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", what]) == 0
    assert capsys.readouterr().out == text
