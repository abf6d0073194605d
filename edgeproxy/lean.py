"""Libraries load whatever is installed beside them, used or not; here they are kept from it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Import in the block as if these packages were not installed.

    Only for what a library itself takes as optional, and before other threads import.
    """
    modules: dict[str, Any] = sys.modules
    before = {name: modules[name] for name in names if name in modules}
    modules.update(dict.fromkeys(names))  # None stands for "is not there"
    try:
        yield
    finally:
        for name in names:
            modules.pop(name, None)
        modules.update(before)
