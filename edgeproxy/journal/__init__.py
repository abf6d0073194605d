"""Traces for the debugger and counts for the dashboard: apart from events, never in their way."""

from collections.abc import Callable
from pathlib import Path

from edgeproxy.journal.base import Journal
from edgeproxy.journal.bounds import Bounds


def open_journal(
    store_url: str,
    *,
    now_ms: Callable[[], int],
    bounds: Bounds = Bounds(),  # noqa: B008 - frozen
    say: Callable[..., None] = lambda *_, **__: None,
) -> Journal:
    """The journal that belongs to a store. Nothing is opened until it is used.

    Args:
        store_url: "sqlite:///absolute/path.db": the journal is `path.db.journal` beside it. With
            "postgresql://…" it lies in the same database.
        now_ms: The wall clock in Unix ms; called from another thread.
        bounds: How much is kept.
        say: Writes a line for the operator, called in a thread: level, event, fields.
    """
    if store_url.startswith("sqlite:"):
        from edgeproxy.journal.sqlite.journal import SqliteJournal

        path = Path(store_url.removeprefix("sqlite://"))
        beside = path.with_name(path.name + ".journal")
        return SqliteJournal(beside, now_ms=now_ms, bounds=bounds, say=say)
    from edgeproxy.journal.postgres.journal import PostgresJournal

    return PostgresJournal(store_url, now_ms=now_ms, bounds=bounds, say=say)
