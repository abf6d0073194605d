"""What a server says of one visitor: the common form of all shapes that come with a write key."""

import msgspec

from edgeproxy.event import Channel, Device
from edgeproxy.intake.raw import RawBatch


class Report(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One message about one visitor. Values may be personal and in the clear: for one request.

    `names` are what the visitor is known by, the first one in the store; none for a stranger.
    `scid` goes to Snap, "" when nobody knows it. `address` and `user_agent` are the visitor's as
    the caller names them, never the caller's own. `address_sha256` is what a caller knows who has
    hashed the address. `device` counts more than what the user agent says.
    """

    batch: RawBatch
    channel: Channel
    names: tuple[str, ...] = ()
    scid: str = ""
    address: str = ""
    address_sha256: str = ""
    user_agent: str = ""
    device: Device | None = None
