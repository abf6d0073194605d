"""What a test may order the sandbox to answer, instead of or on top of what Snap would say."""

from collections.abc import Collection, Sequence
from typing import Annotated, Literal

import msgspec

Wait = Annotated[int, msgspec.Meta(ge=0, le=3_600_000)]


class Answer(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One entry of a script.

    Attributes:
        status: HTTP status; 200 when only a body is given, the usual one when neither is.
        body: A JSON value, or a string taken as the raw text; the usual body when left out.
        headers: Added to the answer.
        delay_ms: Wait before the answer.
        drip_ms: Send the body byte by byte, this long apart.
        disconnect: Reset the connection `before` any byte, or cut it `after_headers` or `mid_body`.
        times: For how many requests it is good; null is for ever.
        path: Only for requests whose path begins so.
        refuse_events: Only for requests with one of these event ids: those events are refused.
        process: Whether the events count as having reached Snap. By default they do when the usual
            answer is given or is cut on its way, and do not when another status or body is.
    """

    status: Annotated[int, msgspec.Meta(ge=200, le=599)] | None = None
    body: object = msgspec.UNSET
    headers: dict[str, str] = {}
    delay_ms: Wait = 0
    drip_ms: Wait = 0
    disconnect: Literal["before", "after_headers", "mid_body"] | None = None
    times: Annotated[int, msgspec.Meta(ge=1)] | None = 1
    path: str = ""
    refuse_events: tuple[str, ...] = ()
    process: bool | None = None

    @property
    def replaces(self) -> bool:
        """Whether status or body are not the usual ones."""
        return self.status is not None or self.body is not msgspec.UNSET

    @property
    def processes(self) -> bool:
        """Whether the events are judged and counted."""
        if self.process is not None:
            return self.process
        return not self.replaces and self.disconnect != "before"

    @property
    def body_bytes(self) -> bytes | None:
        """The ordered body; None when the usual one is meant."""
        if self.body is msgspec.UNSET:
            return b"" if self.replaces else None
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else msgspec.json.encode(self.body)


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What `POST /_sandbox/script` takes; what is left out stays as it is."""

    answers: list[Answer] | msgspec.UnsetType = msgspec.UNSET
    refuse_low_match: bool | msgspec.UnsetType = msgspec.UNSET
    tokens: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    pixels: list[str] | msgspec.UnsetType | None = msgspec.UNSET


class Script:
    """The entries still to be played, in order."""

    def __init__(self, answers: Sequence[Answer] = ()) -> None:
        self._left: list[tuple[Answer, int | None]] = [(one, one.times) for one in answers]

    def __len__(self) -> int:
        return len(self._left)

    def take(self, path: str, ids: Collection[str]) -> Answer | None:
        """The first entry that fits a request, used up once; None for the usual answer."""
        for at, (answer, times) in enumerate(self._left):
            fits = path.startswith(answer.path)
            if answer.refuse_events and not any(one in ids for one in answer.refuse_events):
                fits = False
            if fits:
                if times == 1:
                    del self._left[at]
                elif times is not None:
                    self._left[at] = (answer, times - 1)
                return answer
        return None
