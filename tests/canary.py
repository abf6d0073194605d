"""Values that must never be seen again in the clear once they were sent: the secrecy proof.

Every end-to-end test sends these. When the run is over, everything that it wrote is searched.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

EMAIL = "canary.person@example.com"
PHONE = "+1 (415) 555-0142"
PHONE_DIGITS = "14155550142"
ADDRESS = "203.0.113.77"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 CanaryAgent/7"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.Y2FuYXJ5.canary-token-do-not-print"

ALL: dict[str, str] = {
    "e-mail": EMAIL,
    "phone": PHONE,
    "phone digits": PHONE_DIGITS,
    "IP address": ADDRESS,
    "user agent": AGENT,
    "token": TOKEN,
}


def leaks_in(text: bytes) -> list[str]:
    """Which canaries stand in a text."""
    return [name for name, value in ALL.items() if value.encode() in text]


def leaks(files: Iterable[Path]) -> Iterator[str]:
    """A line for each canary found in a file."""
    for path in files:
        if path.is_file():
            for name in leaks_in(path.read_bytes()):
                yield f"{name} stands in {path}"
