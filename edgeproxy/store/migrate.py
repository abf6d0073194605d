"""Schema steps: numbered SQL files per engine, each applied in one transaction, never undone."""

from importlib.resources import files
from typing import NamedTuple, Protocol

from edgeproxy.errors import ConfigError


class Step(NamedTuple):
    """One schema file. `number` counts from 1."""

    number: int
    sql: str


class Database(Protocol):
    """What a migration needs of an engine."""

    def version(self) -> int:
        """The number of the last step that was applied, 0 for an empty database."""
        ...

    def apply(self, step: Step) -> None:
        """Run one step and note its number, in one transaction."""
        ...


def steps(engine: str) -> list[Step]:
    """The schema files of an engine, in order ("schema/<engine>/0001.sql", …)."""
    folder = files("edgeproxy.store").joinpath("schema", engine)
    found = [
        Step(int(file.name.removesuffix(".sql")), file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    ]
    return sorted(found)


def migrate(database: Database, known: list[Step]) -> int:
    """Bring a database up to the last known step; return its number.

    The caller sees to it that only one process migrates at a time.

    Raises:
        ConfigError: It was written by a later version of this program.
    """
    at, last = database.version(), known[-1].number
    if at > last:
        fault = f"its schema is number {at}, this version knows up to {last}: use the newer version"
        raise ConfigError([("store.url", fault)])
    for step in known:
        if step.number > at:
            database.apply(step)
    return last
