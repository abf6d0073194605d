"""The store's contract suite in a process of its own, with a variant of the store: is it noticed?

Usage: python -m tests.chaos.contract [variant …]
Exits as pytest does: 0 when the suite passes, 1 when a test of it fails.
"""

import sys
from pathlib import Path

import pytest

from tests.chaos.variants import VARIANTS

SUITE = Path(__file__).parent.parent / "contract" / "test_store.py"


def main(variants: list[str]) -> int:
    """Run it on SQLite up to the first failure; the exit status."""
    for name in variants:
        VARIANTS[name]()
    options = [
        "-x",
        "-q",
        "-k",
        "sqlite and (Lease or Claim or Gate)",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
    ]
    return int(pytest.main([*options, str(SUITE)]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
