"""Reading loosely typed values: amounts, texts, times. What cannot be read is None or ""."""

import math
import re
from datetime import datetime
from decimal import Decimal

from edgeproxy.intake.raw import Unacceptable

LARGEST = Decimal(10**12)
"""An amount beyond this is a mistake, in any currency."""

_PLAIN = re.compile(r"[+-]?\d{1,15}(\.\d{1,30})?", re.ASCII)
# One character before the sign is enough for a search, and keeps it linear on hostile texts.
_EMAIL = re.compile(r"[^\s@]@[^\s@]+\.[^\s@]")
_DIGITS = re.compile(r"\d{1,19}")


def amount(value: object) -> Decimal | None:
    """A finite number or plain decimal text as an exact Decimal, else None.

    Raises:
        Unacceptable: `bad_number` when it is negative or larger than 1e12.
    """
    found = _decimal(value)
    if found is not None and not 0 <= found <= LARGEST:
        raise Unacceptable("bad_number", "an amount is negative or larger than 1e12")
    return found


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, float):
        # What the caller wrote, not the binary fraction.
        return Decimal(repr(value)) if math.isfinite(value) else None
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value) if value.bit_length() <= 64 else LARGEST + 1
    if isinstance(value, Decimal):
        return value
    if isinstance(value, str) and _PLAIN.fullmatch(value.strip()):
        return Decimal(value.strip())
    return None


def word(value: object) -> str:
    """A text or whole number as trimmed text; "" for anything else, and for personal data.

    A text that holds an e-mail address is left out: these fields go to Snap as they are.
    """
    text = plain(value)
    return "" if "@" in text and holds_email(text) else text


def plain(value: object) -> str:
    """A text or whole number as trimmed text; "" for anything else."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 64:
        return str(value)
    return ""


def holds_email(text: str) -> bool:
    """Whether an e-mail address stands somewhere in the text."""
    return "@" in text and _EMAIL.search(text) is not None


def time_ms(value: object) -> int | None:
    """A time as Unix ms: a number or digits (10 s, 13 ms, 16 µs by length), or ISO 8601.

    Returns:
        None when nothing was given.

    Raises:
        Unacceptable: `bad_time` when something was given that is no time.
    """
    if value is None or value == "":
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _epoch_ms(str(int(value)) if abs(value) < 10**19 else "")
    if isinstance(value, str):
        text = value.strip()
        return _epoch_ms(text) if text.isdigit() else _iso_ms(text)
    raise _bad_time()


def _epoch_ms(digits: str) -> int:
    if not _DIGITS.fullmatch(digits):
        raise _bad_time()
    number = int(digits)
    if len(digits) <= 11:
        return number * 1000
    return number if len(digits) <= 14 else number // 1000


def _iso_ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _bad_time() from None
    if moment.tzinfo is None:
        raise Unacceptable("bad_time", "the event's time has no zone; end it with Z or an offset")
    return int(moment.timestamp() * 1000)


def _bad_time() -> Unacceptable:
    return Unacceptable("bad_time", "the event's time is neither Unix ms, seconds nor ISO 8601")
