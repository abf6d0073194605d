"""Snap's answers: the JSON of both dialects, from what the rules said about each event.

Source: Snap, business SDKs for v2 and v3 (OpenAPI). Where Snap is silent, our choice: v3 counts
`event` from 0; a v3 batch with one bad event is refused as a whole; the validate paths answer 200
and say no in the body.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from edgeproxy.sandbox.bodies import Piece
from edgeproxy.sandbox.rules import Fault, Judged

Body = dict[str, Any]
Answered = tuple[int, Body]

_PIXEL = "bad_pixel"


def no(dialect: str, status: int, reason: str) -> Answered:
    """A request refused as a whole, before its events were looked at."""
    return status, {"status": "FAILED" if dialect == "v2" else "INVALID", "reason": reason}


def live_v2(judged: Sequence[Judged]) -> Answered:
    """SUCCESS with the bad ones in `error_records` (1-based), or 400 when all are bad."""
    bad = sum(1 for one in judged if one.faults)
    if not bad:
        return 200, {"status": "SUCCESS", "reason": "All records processed"}
    records = _records([one.faults for one in judged])
    if bad < len(judged):
        return 200, _v2("SUCCESS", "Some records failed", records)
    if all(one.faults[0].code == _PIXEL for one in judged):
        return 400, _v2("FAILED", "Invalid pixel_id", records)
    return 400, _v2("FAILED", "All records failed", records)


def validate_v2(pieces: Sequence[Piece], judged: Sequence[Judged]) -> Answered:
    """As live, always with 200, plus warnings and the fields that Snap reads back."""
    _, body = live_v2(judged)
    fields = ("pixel_id", "snap_app_id", "event_type", "event_conversion_type", "price", "currency")
    read_back = [
        {"record_index": index, "validated_fields": _texts(piece.value, fields)}
        for index, piece in enumerate(pieces, 1)
    ]
    return 200, {
        "error_records": [],
        **body,
        "warning_records": _records([one.warnings for one in judged]),
        "validated_fields": read_back,
    }


def live_v3(judged: Sequence[Judged]) -> Answered:
    """VALID, or 400 INVALID with the first bad event; then none of the batch counts."""
    for index, one in enumerate(judged):
        if one.faults:
            reason = "At least one of the events is invalid."
            return 400, {
                "status": "INVALID",
                "reason": reason,
                "event": index,
                "errors": _errors(one.faults),
            }
    return 200, {"status": "VALID", "reason": "All events have been processed successfully."}


def validate_v3(judged: Sequence[Judged]) -> Answered:
    """A line for each event, always with 200."""
    logs = [
        {
            "event": index,
            "status": "INVALID" if one.faults else "VALID",
            "errors": _errors(one.faults),
            "warnings": [str(warning) for warning in one.warnings],
        }
        for index, one in enumerate(judged)
    ]
    invalid = any(one.faults for one in judged)
    return 200, {
        "status": "INVALID" if invalid else "VALID",
        "test_event": True,
        "reason": "At least one of the events is invalid." if invalid else "",
        "event_logs": logs,
    }


def log_v2(value: Body, faults: Iterable[str], warnings: Iterable[str]) -> Body:
    """One line of the v2 validate log."""
    faults = list(faults)
    return {
        **_texts(value, ("timestamp", "event_type", "event_conversion_type", "integration")),
        "status": "FAILURE" if faults else "SUCCESS",
        "event_metadata": value,
        "error_records": faults,
        "warning_records": list(warnings),
    }


def log_v3(value: Body, asset: str, faults: Iterable[str], warnings: Iterable[str]) -> Body:
    """One line of the v3 validate log."""
    faults = list(faults)
    return {
        **_texts(value, ("event_name", "event_time", "action_source", "integration")),
        "status": "FAILURE" if faults else "SUCCESS",
        "event_metadata": {"pixel_id": asset, "conversion_info": value},
        "warning_records": list(warnings),
        "error_records": faults,
        "asset_id": asset,
        "raw_event_name": str(value.get("event_name", "")),
    }


def _v2(status: str, reason: str, records: list[Body]) -> Body:
    return {"status": status, "reason": reason, "error_records": records}


def _records(found: Sequence[Sequence[Fault]]) -> list[Body]:
    """Reasons, each with the 1-based numbers of the events it holds for."""
    by_reason: dict[str, list[int]] = {}
    for index, faults in enumerate(found, 1):
        for fault in faults:
            by_reason.setdefault(str(fault), []).append(index)
    return [{"reason": reason, "record_indexes": indexes} for reason, indexes in by_reason.items()]


def _errors(faults: Sequence[Fault]) -> Body:
    if not faults:
        return {}
    return {
        "codes": [fault.code for fault in faults],
        "error_msgs": [f"Param data['{fault.field}'] {fault.says}" for fault in faults],
    }


def _texts(value: object, names: Sequence[str]) -> dict[str, str]:
    fields = value if isinstance(value, dict) else {}
    return {
        name: one if isinstance(one := fields[name], str) else msgspec.json.encode(one).decode()
        for name in names
        if name in fields
    }
