"""The one stream of log lines: JSON for machines, a console form for people.

Our own loggers (structlog) and those of libraries (`logging`) end in the same chain, which takes
out tokens and personal data. A line that cannot be made or written is lost; nothing here raises,
because no state change may depend on a log line.
"""

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Literal, TextIO, cast

import msgspec

from edgeproxy.lean import without
from edgeproxy.logs.failure import tell_failure
from edgeproxy.logs.redaction import redact

with without("rich", "greenlet"):  # 6 MB, for tracebacks that we do not print
    import structlog
    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]

QUIET_LIBRARIES = ("httpx", "httpcore", "pydantic_settings")
"""Never below warning: they write requests with the token in them, or settings."""


def set_up(
    log_format: LogFormat = "auto",
    level: LogLevel = "info",
    *,
    stream: TextIO | None = None,
    colors: bool | None = None,
) -> None:
    """Send every logger of the process to one stream.

    Args:
        log_format: "json" is one object a line, "console" is for people, "auto" is "console" on a
            terminal and "json" elsewhere.
        level: The least severity that is written.
        stream: Standard output when None.
        colors: Whether the console form has colours; when None, on a terminal without NO_COLOR.
    """
    out = sys.stdout if stream is None else stream
    terminal = out.isatty()
    if colors is None:
        colors = terminal and not os.environ.get("NO_COLOR")
    people = log_format == "console" or (log_format == "auto" and terminal)
    number = logging.getLevelNamesMapping()[level.upper()]
    sink = _Sink(out)
    chain = _Chain(_console(colors=colors) if people else _json)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            chain,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=True,
    )
    _adopt_libraries(chain, sink, number)


def get_logger() -> FilteringBoundLogger:
    """A logger of ours; a call below the level costs next to nothing."""
    return cast("FilteringBoundLogger", structlog.get_logger())


class Repeats:
    """Lets a warning or an error through `limit` times in `window_s` seconds, then counts.

    The first line of the next window says in `suppressed` how many were left out.
    """

    KINDS_MAX = 256

    def __init__(
        self, limit: int = 50, window_s: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._window_s = window_s
        self._clock = clock
        self._seen: dict[tuple[str, object], tuple[float, int]] = {}

    def __call__(self, logger: WrappedLogger, method: str, fields: EventDict) -> EventDict:
        """The fields; raises structlog.DropEvent for one line too many."""
        if fields.get("level") not in ("warning", "error", "critical"):
            return fields
        kind = (str(fields.get("event"))[:200], fields.get("logger"))
        now = self._clock()
        began, count = self._seen.get(kind, (now, 0))
        if now - began >= self._window_s:
            if count > self._limit:
                fields["suppressed"] = count - self._limit
            began, count = now, 0
        if kind not in self._seen and len(self._seen) >= self.KINDS_MAX:
            self._seen.clear()
        self._seen[kind] = (began, count + 1)
        if count >= self._limit:
            raise structlog.DropEvent
        return fields


class _Sink:
    """Writes lines; a full disk or a closed pipe loses them and nothing else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = msg


class _Chain:
    """From the fields of an event to one line of text, whatever the fields are."""

    def __init__(self, render: Processor) -> None:
        self._steps: tuple[Processor, ...] = (
            Repeats(),
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            tell_failure,
            redact,
            render,
        )

    def __call__(self, logger: WrappedLogger, method: str, fields: EventDict) -> str:
        value: Any = fields
        try:
            for step in self._steps:
                value = step(logger, method, value)
        except structlog.DropEvent:
            raise
        except Exception as error:  # a value's own __str__ may do anything
            return f'{{"level":"error","event":"log_failed","reason":"{type(error).__name__}"}}'
        return cast("str", value)


def _json(logger: WrappedLogger, method: str, fields: EventDict) -> str:
    first = {name: fields.pop(name) for name in ("ts", "level", "event") if name in fields}
    return msgspec.json.encode({**first, **fields}).decode()


def _console(*, colors: bool) -> Processor:
    return structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="ts", sort_keys=False)


class _Libraries(logging.Handler):
    """Brings the records of `logging` into the chain."""

    def __init__(self, formatter: logging.Formatter, sink: _Sink) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except (Exception, structlog.DropEvent):  # arguments that do not fit; one line too many
            return
        self._sink.msg(line)


def _adopt_libraries(chain: _Chain, sink: _Sink, level: int) -> None:
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_log_level, _name_record],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, chain],
    )
    root = logging.getLogger()
    root.handlers[:] = [_Libraries(formatter, sink)]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(True)


def _name_record(logger: WrappedLogger, method: str, fields: EventDict) -> EventDict:
    """A library's sentence is data: the event has a name of ours."""
    record: logging.LogRecord = fields["_record"]
    fields["message"] = fields["event"]
    fields["event"] = "library_message"
    fields["logger"] = record.name
    return fields
