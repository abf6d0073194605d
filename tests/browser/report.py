"""The table of scenarios × engines, for a log and for the README."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

_SHOWN = {"passed": "yes", "failed": "NO", "skipped": "skipped"}
_NONE = "–"


@dataclass
class Report:
    """What became of each scenario in each engine; `versions` knows those that ran."""

    engines: Sequence[str]
    versions: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, dict[str, str]] = field(default_factory=dict)

    def note(self, scenario: str, engine: str, outcome: str) -> None:
        """Write down one outcome; of several of one cell the worst stays."""
        row = self.outcomes.setdefault(scenario, {})
        if row.get(engine) != "failed":
            row[engine] = outcome

    @property
    def lacking(self) -> list[str]:
        """The engines that did not run."""
        return [one for one in self.engines if one not in self.versions]

    def rows(self) -> list[tuple[str, ...]]:
        """The table, its head first."""
        head = tuple(" ".join((one, self.versions.get(one, ""))).strip() for one in self.engines)
        return [
            ("scenario", *head),
            *(
                (scenario, *(_SHOWN.get(row.get(one, ""), _NONE) for one in self.engines))
                for scenario, row in self.outcomes.items()
            ),
        ]

    def text(self) -> str:
        """The table for a terminal."""
        rows = self.rows()
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def markdown(self) -> str:
        """The table for the README."""
        head, *rows = self.rows()
        lines = [head, tuple("---" for _ in head), *rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


REPORT = pytest.StashKey[Report]()
"""Where a run of pytest keeps it."""
