"""One statement for many rows.

Each step of a statement lets go of the interpreter's lock, which a busy event loop then keeps for
much longer than the step takes. So rows go in dozens to a statement instead of one by one.
"""

from collections.abc import Sequence
from itertools import chain

import apsw

_SIZES = (64, 16, 4, 1)


class Many:
    """An `INSERT … VALUES` for any number of rows, as a few prepared statements.

    Args:
        head: All before the rows.
        row: One row, with `{0}`, `{1}` … for its fields and `?1` … for what all rows share.
        fields: How many fields a row has.
        shared: How many values all rows share.
        tail: All behind the rows.
    """

    def __init__(
        self, head: str, row: str, *, fields: int, shared: int = 0, tail: str = ""
    ) -> None:
        self._statements: list[tuple[int, str]] = []
        for size in _SIZES:
            rows = []
            for first in range(shared + 1, shared + 1 + size * fields, fields):
                rows.append(row.format(*(f"?{number}" for number in range(first, first + fields))))
            self._statements.append((size, f"{head} VALUES {', '.join(rows)} {tail}"))

    def run(
        self,
        db: apsw.Connection,
        rows: Sequence[tuple[object, ...]],
        shared: tuple[object, ...] = (),
    ) -> None:
        """Write the rows, in order."""
        start = 0
        for size, statement in self._statements:
            while len(rows) - start >= size:
                values = chain(shared, *rows[start : start + size])
                db.execute(statement, tuple(values))
                start += size
