"""Runs the scenarios and writes their table into the README: `python -m tests.browser.table`.

It stands between `<!-- engines -->` and `<!-- /engines -->`. Exit status: pytest's, or 1
when an engine is missing; only the table of a run in which all engines passed is written.
"""

import re
import sys

import pytest

from tests.browser.driver import ROOT
from tests.browser.report import REPORT, Report

README = ROOT / "README.md"
SCENARIOS = "tests/browser/engines"

_MARKED = re.compile("(<!-- engines -->).*?(<!-- /engines -->)", re.DOTALL)


class _Keeper:
    """Keeps the table when the run is over."""

    report = Report(engines=())

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        self.report = config.stash[REPORT]


def written(text: str, table: str) -> str:
    """A text with the table between its marks."""
    text, count = _MARKED.subn(lambda marks: f"{marks[1]}\n\n{table}\n\n{marks[2]}", text)
    if count != 1:
        raise ValueError(f"README.md needs the marks of the engines' table once; found {count}")
    return text


def main() -> int:
    """Run, and write."""
    keeper = _Keeper()
    status = int(pytest.main(["-q", str(ROOT / SCENARIOS)], plugins=[keeper]))
    if status != 0:
        return status
    if lacking := keeper.report.lacking:
        sys.stderr.write(f"not written, for lack of {' and '.join(lacking)}\n")
        return 1
    README.write_text(written(README.read_text(), keeper.report.markdown()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
