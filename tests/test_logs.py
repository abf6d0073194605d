"""The stream of log lines: one format, whoever speaks; nothing that fails there is felt."""

import io
import json
import logging
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from edgeproxy import logs
from edgeproxy.logs import LogFormat, LogLevel, Repeats

CANARY = "eyJhbGciOiJIUzI1NiJ9.canary-canary"


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    root = logging.getLogger()
    names = [*logs.QUIET_LIBRARIES, "uvicorn", "uvicorn.error", "uvicorn.access"]
    before = (list(root.handlers), root.level, {n: logging.getLogger(n).level for n in names})
    yield
    logging.captureWarnings(False)
    structlog.reset_defaults()
    root.handlers[:], level, levels = before[0], before[1], before[2]
    root.setLevel(level)
    for name, number in levels.items():
        logging.getLogger(name).setLevel(number)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def started(
    log_format: LogFormat = "json", level: LogLevel = "info", stream: io.StringIO | None = None
) -> io.StringIO:
    out = io.StringIO() if stream is None else stream
    logs.set_up(log_format, level, stream=out)
    return out


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_one_object_with_time_level_and_event_first() -> None:
    out = started()
    logs.get_logger().info("batch_sent", integration="shop-1", duration_ms=12.5)
    (line,) = lines(out)
    assert list(line)[:3] == ["ts", "level", "event"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("ts"))
    assert line == {
        "level": "info",
        "event": "batch_sent",
        "integration": "shop-1",
        "duration_ms": 12.5,
    }


def test_libraries_speak_in_the_same_stream_and_form() -> None:
    out = started()
    logging.getLogger("uvicorn.error").warning("Invalid %s", "request")
    (line,) = lines(out)
    assert {name: line[name] for name in ("level", "event", "logger", "message")} == {
        "level": "warning",
        "event": "library_message",
        "logger": "uvicorn.error",
        "message": "Invalid request",
    }


def test_handlers_that_uvicorn_made_for_itself_are_removed() -> None:
    stray = io.StringIO()
    logger = logging.getLogger("uvicorn")
    logger.addHandler(logging.StreamHandler(stray))
    logger.propagate = False
    out = started()
    logger.error("once")
    assert [line["message"] for line in lines(out)] == ["once"]
    assert stray.getvalue() == ""


@pytest.mark.parametrize("level", ["debug", "info"])
def test_the_http_client_never_tells_its_addresses(level: LogLevel) -> None:
    out = started(level=level)
    for name in ("httpx", "httpcore", "httpcore.connection", "pydantic_settings"):
        logging.getLogger(name).info("HTTP Request: POST https://x/?access_token=%s", CANARY)
    assert out.getvalue() == ""
    logging.getLogger("httpx").warning("kept")
    assert len(lines(out)) == 1


def test_levels_hold_for_ours_and_for_libraries() -> None:
    out = started(level="error")
    logs.get_logger().warning("left_out")
    logging.getLogger("asyncio").warning("left out")
    logging.getLogger("httpx").warning("left out")
    logs.get_logger().error("kept")
    logging.getLogger("asyncio").error("kept too")
    assert [line["event"] for line in lines(out)] == ["kept", "library_message"]


def test_bound_context_stands_in_the_line() -> None:
    out = started()
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        logs.get_logger().info("answered", status=202)
    assert lines(out)[0]["request_id"] == "r-1"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_secret_is_in_any_line_whoever_writes_it(log_format: LogFormat) -> None:
    """Fields, sentences, arguments, exceptions and warnings, at every level."""
    out = started(log_format, "debug")
    ours, theirs = logs.get_logger(), logging.getLogger("somebody")
    for speak in (ours.debug, ours.info, ours.warning, ours.error, ours.critical):
        speak("x", token=CANARY, note=f"access_token={CANARY}", data={"who": ["jane@canary.com"]})
    for tell in (theirs.debug, theirs.info, theirs.warning, theirs.error, theirs.critical):
        tell("GET https://tr.snapchat.com/?access_token=%s for %s", CANARY, "jane@canary.com")
    try:
        raise ValueError(f"Bearer {CANARY}")
    except ValueError:
        ours.exception("failed")
        theirs.exception("failed")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"Bearer {CANARY}", UserWarning, stacklevel=1)
    written = out.getvalue()
    assert len(written.splitlines()) == 13
    assert "canary" not in written
    assert "••••" in written


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_one_event_is_one_line_whatever_is_in_it(log_format: LogFormat) -> None:
    out = started(log_format)
    logs.get_logger().info("x", note="a\n\x1b[2J{}\r\n", data=["b\nc"])
    logging.getLogger("somebody").warning("d\ne%s", "\x1b]0;f\x07")
    written = out.getvalue()
    assert len(written.splitlines()) == 2
    assert "\x1b" not in written


def test_nothing_is_felt_of_a_full_disk_or_a_closed_stream() -> None:
    started(stream=FullDisk())
    logs.get_logger().error("lost")
    logging.getLogger("somebody").error("lost")
    closed = started()
    closed.close()
    structlog.get_logger().error("lost")


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_a_value_that_cannot_be_written_costs_its_line_only() -> None:
    out = started()
    logs.get_logger().info("x", value=Hostile())
    logging.getLogger("somebody").error("%d", "not a number")
    logs.get_logger().info("next")
    assert lines(out) == [
        {"level": "error", "event": "log_failed", "reason": "RuntimeError"},
        {**lines(out)[1], "event": "next"},
    ]


@pytest.mark.parametrize(
    ("log_format", "stream", "is_json"),
    [
        ("auto", io.StringIO, True),
        ("auto", Terminal, False),
        ("json", Terminal, True),
        ("console", io.StringIO, False),
    ],
)
def test_the_form_follows_the_setting_and_the_terminal(
    log_format: LogFormat, stream: type[io.StringIO], is_json: bool
) -> None:
    out = started(log_format, stream=stream())
    logs.get_logger().info("started", port=8000)
    assert out.getvalue().startswith("{") is is_json
    assert "started" in out.getvalue()


def test_colours_are_for_terminals_and_yield_to_no_color() -> None:
    script = (
        "import io; from edgeproxy import logs\n"
        "class T(io.StringIO):\n  def isatty(self): return True\n"
        "out = T(); logs.set_up(stream=out); logs.get_logger().info('x'); "
        "print(ascii(out.getvalue()))"
    )
    shown = {
        value: subprocess.run(
            [sys.executable, "-c", script],
            env={"PATH": "", "NO_COLOR": value},
            capture_output=True,
            check=True,
            timeout=30,
        ).stdout
        for value in ("", "1")
    }
    assert rb"\x1b[" in shown[""]
    assert rb"\x1b" not in shown["1"]


def test_colours_can_be_had_anywhere() -> None:
    out = io.StringIO()
    logs.set_up("console", stream=out, colors=True)
    logs.get_logger().info("x")
    assert "\x1b[" in out.getvalue()


def test_standard_output_is_the_stream_when_none_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.set_up("json")
    logs.get_logger().info("here")
    assert json.loads(capsys.readouterr().out)["event"] == "here"


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def passes(repeats: Repeats, event: str, level: str = "warning") -> dict[str, Any] | None:
    try:
        return dict(repeats(None, level, {"event": event, "level": level}))
    except structlog.DropEvent:
        return None


def test_a_flood_of_one_warning_is_counted_instead_of_written() -> None:
    clock = Clock()
    repeats = Repeats(limit=3, window_s=10, clock=clock)
    assert [bool(passes(repeats, "x")) for _ in range(8)] == [True] * 3 + [False] * 5
    assert passes(repeats, "y")
    clock.now_s = 10.0
    assert passes(repeats, "x") == {"event": "x", "level": "warning", "suppressed": 5}
    assert passes(repeats, "x") == {"event": "x", "level": "warning"}
    clock.now_s = 20.0
    assert passes(repeats, "x") == {"event": "x", "level": "warning"}


def test_news_are_not_repeats() -> None:
    repeats = Repeats(limit=1, window_s=10, clock=Clock())
    assert all(passes(repeats, "x", level="info") for _ in range(5))


def test_the_memory_of_repeats_is_bounded() -> None:
    repeats = Repeats(limit=1, window_s=10, clock=Clock())
    for number in range(5 * Repeats.KINDS_MAX):
        passes(repeats, f"event {number}")
    assert len(repeats._seen) <= Repeats.KINDS_MAX


def test_a_flood_from_a_library_is_dropped_without_a_trace() -> None:
    out = started()
    for _ in range(200):
        logging.getLogger("somebody").error("again")
    assert len(lines(out)) == 50
