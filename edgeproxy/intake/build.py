"""From what a caller wrote to the canonical event: times, ids, goods; everything already hashed."""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from edgeproxy import clickid
from edgeproxy.event import Channel, Device, Event, merge_person
from edgeproxy.intake.goods import read_goods
from edgeproxy.intake.person import NOBODY, Known, person_in
from edgeproxy.intake.raw import RawEvent, Unacceptable
from edgeproxy.intake.shape import ID_NAMES, LIMITED_NAMES, NOTHING, shape_of
from edgeproxy.intake.values import holds_email, plain, time_ms, word
from edgeproxy.sites import Privacy

DAY_MS = 86_400_000
MAX_AGE_MS: dict[Channel, int] = {
    "WEB": 7 * DAY_MS,
    "MOBILE_APP": 7 * DAY_MS,
    "OFFLINE": 37 * DAY_MS,
}
"""How old an event may be when Snap gets it. Source: Snap, Conversions API, event time."""

AHEAD_MS = 600_000
"""An event further in the future than this happened now."""

SKEW_FLOOR_MS = 5_000
"""A smaller difference between a caller's clock and ours is the network, not the clock."""


class Scene(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the events of one request share.

    `page_url` is already cleaned. `click_id` is the visitor's; `own_clicks` says that an event's
    properties may name another one. `skew_ms` is added to the caller's times. `default_country` is
    for phone numbers without a country code.
    """

    source: str
    channel: Channel
    now_ms: int
    skew_ms: int = 0
    page_url: str = ""
    scid: str = ""
    click_id: str = ""
    own_clicks: bool = True
    default_country: str = ""
    known: Known = Known()
    device: Device = Device()
    address_hmac: str = ""
    agent_hmac: str = ""


def skew_ms(sent_at: object, now_ms: int) -> int:
    """What to add to the caller's times so that its clock agrees with ours; 0 when unknown."""
    try:
        sent = time_ms(sent_at)
    except Unacceptable:
        return 0
    if sent is None or abs(now_ms - sent) < SKEW_FLOOR_MS:
        return 0
    return now_ms - sent


def build_event(
    raw: RawEvent,
    scene: Scene,
    *,
    sign_up: bool,
    new_id: Callable[[], str],
    name: str = "",
    privacy: Privacy = "match",
) -> Event:
    """The canonical event, with the name and the privacy profile of the first row that it makes.

    Args:
        raw: One event as read.
        scene: What its request says.
        sign_up: Whether it will be a SIGN_UP, whose `method` then counts.
        new_id: Mints an id when the caller gave none.
        name: Snap's name for it.
        privacy: The integration's profile.

    Raises:
        Unacceptable: `bad_time`, `too_old`, `bad_number`, `too_many_products`.
    """
    shape = shape_of(raw.properties) if raw.properties else NOTHING
    properties = shape.spelled(raw.properties)
    own = person_in(properties, scene.default_country) if shape.person else NOBODY
    return Event(
        id=_id(raw, properties) or new_id(),
        name=name,
        privacy=privacy,
        time_ms=_time(raw.time, scene),
        source=scene.source,
        channel=scene.channel,
        label=word(properties["event_tag"]) if "event_tag" in properties else "",
        page_url=scene.page_url,
        test=raw.test,
        limited=shape.limits and _limited(properties),
        scid=scene.scid,
        click_id=(clickid.from_properties(properties) if scene.own_clicks and shape.clicks else "")
        or scene.click_id,
        who=scene.known.person if own is NOBODY else merge_person(own, scene.known.person),
        goods=read_goods(properties, sign_up=sign_up, groups=shape.goods),
        device=scene.device,
        address_hmac=scene.address_hmac,
        agent_hmac=scene.agent_hmac,
    )


def _time(value: object, scene: Scene) -> int:
    given = time_ms(value)
    if given is None:
        return scene.now_ms
    corrected = given + scene.skew_ms
    if corrected > scene.now_ms + AHEAD_MS:
        return scene.now_ms
    oldest = scene.now_ms - MAX_AGE_MS[scene.channel]
    if corrected < oldest:
        days = MAX_AGE_MS[scene.channel] // DAY_MS
        raise Unacceptable("too_old", f"the event is older than {days} days; Snap refuses it")
    return corrected


def _id(raw: RawEvent, properties: Mapping[str, Any]) -> str:
    """The caller's id; one that holds an e-mail address is hashed, for ids travel in the clear."""
    text = raw.id
    if not text and properties:
        text = next((found for name in ID_NAMES if (found := plain(properties.get(name)))), "")
    if holds_email(text):
        return hashlib.sha256(text.encode()).hexdigest()
    return text[:256]


def _limited(properties: Mapping[str, Any]) -> bool:
    """Whether the caller asks for limited data use.

    Source: Snap, Conversions API, `data_use` and `data_processing_options`.
    """
    for name in LIMITED_NAMES:
        given = properties.get(name)
        if given is None:
            continue
        for one in given if isinstance(given, list) else [given]:
            if isinstance(one, str) and _LIMITED.search(one):
                return True
    return False


_LIMITED = re.compile(r"\b(lmu|ldu)\b", re.IGNORECASE)
