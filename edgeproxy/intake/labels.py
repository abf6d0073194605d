"""Names and ids of events as any caller may write them.

Both are shown and logged as they are, therefore no e-mail address stands in them.
"""

from edgeproxy import pii
from edgeproxy.intake.limits import check_text
from edgeproxy.intake.raw import Unacceptable
from edgeproxy.intake.values import holds_email

NAME_CHARS = 256
ID_CHARS = 256


def event_name(value: object) -> str:
    """The event's name.

    Raises:
        Unacceptable: `no_name`, `too_long`, `personal_name`, `control_character`.
    """
    if not isinstance(value, str) or not value.strip():
        raise Unacceptable("no_name", "the event has no name")
    if len(value) > NAME_CHARS:
        raise Unacceptable("too_long", f"the event's name is longer than {NAME_CHARS} characters")
    if holds_email(value):
        raise Unacceptable("personal_name", "the event's name holds an e-mail address")
    check_text(value)
    return value


def event_id(value: object) -> str:
    """The event's id, "" for none; a number is as good as a text, an e-mail address is hashed.

    Raises:
        Unacceptable: `bad_number`, `too_long`, `control_character`.
    """
    if isinstance(value, int) and value.bit_length() > 64:
        raise Unacceptable("bad_number", "the event's id is a number of more than 64 bits")
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    text = str(value).strip()
    if len(text) > ID_CHARS:
        raise Unacceptable("too_long", f"the event's id is longer than {ID_CHARS} characters")
    if not text.isprintable():
        raise Unacceptable("control_character", "the event's id holds a control character")
    return pii.sha256_hex(text) if holds_email(text) else text
