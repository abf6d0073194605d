"""An exception as fields of a log line: what and where, never the values of variables."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger


_STORY_MAX = 12
_FRAMES_MAX = 12


def tell_failure(logger: "WrappedLogger", method: str, fields: "EventDict") -> "EventDict":
    """`exc_info` becomes `error` ("Type: text") and `trace`, a line for each exception involved."""
    given = fields.pop("exc_info", None)
    if given is True:
        given = sys.exc_info()
    failure = given[1] if isinstance(given, tuple) else given
    if isinstance(failure, BaseException):
        fields["error"] = _name(failure)
        fields["trace"] = [f"{_name(one)} at {_frames(one.__traceback__)}" for one in _all(failure)]
    return fields


def _name(failure: BaseException) -> str:
    return f"{type(failure).__name__}: {failure}"


def _all(failure: BaseException) -> list[BaseException]:
    """The exception, those of its group and their causes, each once."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [failure]
    while waiting and len(found) < _STORY_MAX:
        current = waiting.pop(0)
        if current is None or any(current is known for known in found):
            continue
        found.append(current)
        if isinstance(current, BaseExceptionGroup):
            waiting.extend(current.exceptions)
        waiting.append(current.__cause__)
        waiting.append(None if current.__suppress_context__ else current.__context__)
    return found


def _frames(trace: TracebackType | None) -> str:
    """The innermost place first: "snap/transport.py:41 send < delivery/courier.py:90 deliver"."""
    places: list[str] = []
    while trace is not None:
        code = trace.tb_frame.f_code
        file = "/".join(code.co_filename.split("/")[-2:])
        places.append(f"{file}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return " < ".join(places[::-1][:_FRAMES_MAX]) or "no known place"
