"""Schema steps are applied once each, in order, and never backwards."""

import pytest

from edgeproxy.errors import ConfigError
from edgeproxy.store import STORES
from edgeproxy.store.migrate import Step, migrate, steps


class Notebook:
    """A database that notes what is applied to it."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.applied: list[int] = []

    def version(self) -> int:
        return self.at

    def apply(self, step: Step) -> None:
        self.applied.append(step.number)


STEPS = [Step(number, "") for number in (1, 2, 3)]


@pytest.mark.parametrize(("at", "applied"), [(0, [1, 2, 3]), (2, [3]), (3, [])])
def test_what_is_missing_is_applied_in_order(at: int, applied: list[int]) -> None:
    database = Notebook(at)
    assert migrate(database, STEPS) == 3
    assert database.applied == applied


def test_a_newer_schema_is_refused_untouched() -> None:
    database = Notebook(4)
    with pytest.raises(ConfigError, match="its schema is number 4, this version knows up to 3"):
        migrate(database, STEPS)
    assert database.applied == []


@pytest.mark.parametrize("engine", sorted(STORES))
def test_the_files_of_each_engine_are_numbered_without_a_gap(engine: str) -> None:
    found = steps(engine)
    assert [step.number for step in found] == list(range(1, len(found) + 1))
    assert all("CREATE" in step.sql for step in found[:1])
