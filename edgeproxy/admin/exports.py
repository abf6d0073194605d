"""Dead letters as a file: JSON lines or CSV, sent a page at a time however many there are."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from starlette.responses import StreamingResponse

from edgeproxy.admin.letters import Wanted
from edgeproxy.event import Event, readable_event
from edgeproxy.store.base import DeadLetter, Store
from edgeproxy.web.endpoint import Reply

Format = Literal["jsonl", "csv"]

PAGE = 500

COLUMNS = (
    "id",
    "integration",
    "event",
    "event_id",
    "source",
    "visitor",
    "happened",
    "died",
    "attempts",
    "reason",
    "detail",
    "value",
    "currency",
    "order_id",
    "email_sha256",
    "phone_sha256",
    "page_url",
)
"""Of the CSV; the JSON lines have the whole event besides."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula. Source: OWASP, CSV Injection."""

_MEDIA = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


def reply(store: Store, wanted: Wanted, format: Format, now_ms: int) -> Reply:
    """The file, as an answer that is streamed."""
    day = f"{datetime.fromtimestamp(now_ms / 1000, UTC):%Y-%m-%d}"
    headers = {
        "cache-control": "no-store",
        "content-disposition": f'attachment; filename="dead-letters-{day}.{format}"',
    }
    body = _lines(store, wanted, format)
    return Reply(app=StreamingResponse(body, headers=headers, media_type=_MEDIA[format]))


async def _lines(store: Store, wanted: Wanted, format: Format) -> AsyncIterator[bytes]:
    write: Callable[[Sequence[DeadLetter]], bytes] = _json if format == "jsonl" else _csv
    if format == "csv":
        yield _row(COLUMNS)
    before: int | None = None
    while True:
        page = await store.dead_letters(
            integration=wanted.integration,
            reason=wanted.reason,
            name=wanted.name,
            before=before,
            limit=PAGE,
        )
        yield write(page)
        if len(page) < PAGE:
            return
        before = page[-1].id


def _json(page: Sequence[DeadLetter]) -> bytes:
    return b"".join(
        msgspec.json.encode(
            {
                **_facts(one),
                "stored": msgspec.Raw(one.body if readable_event(one.body) else b"null"),
            }
        )
        + b"\n"
        for one in page
    )


def _csv(page: Sequence[DeadLetter]) -> bytes:
    return b"".join(_row(_cells(one)) for one in page)


def _cells(one: DeadLetter) -> list[str]:
    event = readable_event(one.body)
    facts: dict[str, Any] = {**_facts(one), **(_about(event) if event else {})}
    return [guarded(str(facts.get(column, ""))) for column in COLUMNS]


def guarded(cell: str) -> str:
    """A cell that no spreadsheet calculates."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _row(cells: Sequence[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode("utf-8", "replace")


def _facts(one: DeadLetter) -> dict[str, Any]:
    event = readable_event(one.body)
    return {
        "id": one.id,
        "integration": one.integration,
        "event": one.name,
        "event_id": event.id if event else "",
        "source": event.source if event else "",
        "visitor": one.visitor.hex(),
        "happened": _instant(one.event_time_ms),
        "died": _instant(one.died_ms),
        "attempts": one.attempt,
        "reason": one.reason,
        "detail": one.detail,
    }


def _about(event: Event) -> dict[str, Any]:
    return {
        "value": "" if event.goods.price is None else event.goods.price,
        "currency": event.goods.currency,
        "order_id": event.goods.order_id,
        "email_sha256": event.who.email_sha256,
        "phone_sha256": event.who.phone_sha256,
        "page_url": event.page_url,
    }


def _instant(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
