"""How much a journal may keep."""

import msgspec

MIB = 1024 * 1024


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of a journal.

    Attributes:
        keep_days: How old a trace gets.
        max_bytes: How much it may hold; the oldest traces go first.
        reserve_bytes: With less free on its volume nothing is written, and the file is made
            shorter. Twice what the events' store leaves free, so that the journal yields first.
    """

    keep_days: int = 7
    max_bytes: int = 512 * MIB
    reserve_bytes: int = 128 * MIB
