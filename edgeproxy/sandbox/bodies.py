"""From the bytes of a request to its events: what each dialect's body looks like.

Each event keeps its bytes as they came, so that what is shown is what was sent.
"""

import msgspec

from edgeproxy.sandbox.rules import MAX_EVENTS

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_SHOWN = 200
"""Characters of a name or id that are kept; Snap documents no longer ones."""


class BadBody(Exception):
    """A body that is no batch of events; the message is the reason in Snap's answer."""

    def __init__(self, reason: str, *, events: int = 0) -> None:
        self.reason = reason
        self.events = events
        super().__init__(reason)


class Piece(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event of a body, and what the sandbox has to know to count it.

    `value` is the decoded event, of any JSON type. Texts are "" when missing or of another type.
    """

    raw: msgspec.Raw
    value: object
    asset: str
    name: str
    id: str
    order_id: str


class _Data(msgspec.Struct):
    data: list[msgspec.Raw]


_many = msgspec.json.Decoder(list[msgspec.Raw])
_data = msgspec.json.Decoder(_Data)
_value = msgspec.json.Decoder()


def read_v2(body: bytes) -> list[Piece]:
    """The events of a v2 body: an array of objects, or one object. Raises `BadBody`."""
    if body.lstrip()[:1] == b"[":
        try:
            raws = _many.decode(body)
        except _UNREADABLE:
            raise BadBody("Invalid JSON") from None
    else:
        raws = [msgspec.Raw(body)]
    _check_number(len(raws))
    return [_piece_v2(raw) for raw in raws]


def read_v3(body: bytes, asset: str) -> list[Piece]:
    """The events of a v3 body, `{"data": [...]}`. Raises `BadBody`."""
    try:
        raws = _data.decode(body).data
    except msgspec.ValidationError:
        raise BadBody("Param data is required and must be an array of events") from None
    except _UNREADABLE:
        raise BadBody("Invalid JSON") from None
    _check_number(len(raws))
    return [_piece_v3(raw, asset) for raw in raws]


def _check_number(events: int) -> None:
    if not events:
        raise BadBody("No events in the request")
    if events > MAX_EVENTS:
        raise BadBody(f"Too many events in the request, at most {MAX_EVENTS}", events=events)


def _piece_v2(raw: msgspec.Raw) -> Piece:
    value = _read(raw)
    fields = value if type(value) is dict else {}
    return Piece(
        raw=raw.copy(),
        value=value,
        asset=_word(fields.get("pixel_id") or fields.get("snap_app_id")),
        name=_word(fields.get("event_type")),
        id=_word(fields.get("client_dedup_id")),
        order_id=_word(fields.get("transaction_id")),
    )


def _piece_v3(raw: msgspec.Raw, asset: str) -> Piece:
    value = _read(raw)
    fields = value if type(value) is dict else {}
    custom = fields.get("custom_data")
    return Piece(
        raw=raw.copy(),
        value=value,
        asset=asset,
        name=_word(fields.get("event_name")),
        id=_word(fields.get("event_id")),
        order_id=_word(custom.get("order_id")) if type(custom) is dict else "",
    )


def _read(raw: msgspec.Raw) -> object:
    try:
        return _value.decode(raw)
    except _UNREADABLE:  # what the scan for events lets through: bad UTF-8, 1e999
        raise BadBody("Invalid JSON") from None


def _word(value: object) -> str:
    if type(value) is str:
        return value[:_SHOWN]
    return str(value)[:_SHOWN] if type(value) in (int, float) else ""
