"""Waiting for something to become true, with a deadline and a sentence instead of a sleep."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(look: Callable[[], T], sentence: str, *, within_s: float = 30.0) -> T:
    """Call `look` until it gives something true, and return that; fail with the sentence."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"within {within_s:g} s it was not seen that {sentence}")
        time.sleep(0.02)
