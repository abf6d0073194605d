"""The table of scenarios and engines, without any engine."""

import pytest

from tests.browser.report import Report
from tests.browser.table import written


def report() -> Report:
    """Two engines, of which one is missing."""
    made = Report(engines=("Lynx", "Mosaic"), versions={"Lynx": "2.9"})
    made.note("It shows text", "Lynx", "passed")
    made.note("It shows pictures", "Lynx", "failed")
    made.note("It shows pictures", "Mosaic", "skipped")
    return made


def test_the_table_names_the_engines_that_ran_with_their_versions() -> None:
    assert report().markdown().splitlines() == [
        "| scenario | Lynx 2.9 | Mosaic |",
        "| --- | --- | --- |",
        "| It shows text | yes | – |",
        "| It shows pictures | NO | skipped |",
    ]
    assert report().lacking == ["Mosaic"]


def test_a_failure_of_a_scenario_stays_a_failure() -> None:
    """A test that failed reports its end, too."""
    made = report()
    made.note("It shows pictures", "Lynx", "passed")
    assert made.rows()[2] == ("It shows pictures", "NO", "skipped")


def test_the_terminal_has_columns() -> None:
    lines = report().text().splitlines()
    assert {line.index(cell) for line, cell in zip(lines, ("Lynx", "yes", "NO"), strict=True)} == {
        lines[0].index("Lynx")
    }


def test_the_table_goes_between_its_marks_and_nowhere_else() -> None:
    text = "before\n<!-- engines -->\nold\n<!-- /engines -->\nafter"
    new = "before\n<!-- engines -->\n\nnew\n\n<!-- /engines -->\nafter"
    assert written(text, "new") == new
    with pytest.raises(ValueError, match="found 0"):
        written("no marks", "new")
