"""Who the visitor is, from cookies and URLs, and which cookies the answer carries.

Pure: a jar and the request's facts in, a `Visitor` and `Set-Cookie` values out. Nobody is ever
recognised by address, user agent or any other trait: who lost the cookies is a new visitor.
"""

import functools
from collections.abc import Callable, Mapping, Sequence

import msgspec

from edgeproxy import clickid
from edgeproxy.cookies import (
    CLICK,
    DAY_S,
    DURABLE_S,
    LEGACY_CLICK,
    MASTER,
    MASTER_HOST,
    MASTER_HTTP,
    OPTOUT,
    SCID,
    CookieSite,
    expire,
    template,
    valid_scid,
)
from edgeproxy.master import Master, MasterSigner, Signed
from edgeproxy.sites import Source

Jar = Mapping[str, Sequence[str]]


class Visitor(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A browser as recognised at one request.

    `click_at_s` is the Unix time of the click id's first sight, 0 without one. `minted`: the id was
    made now. `consent` is what the master records. `held` is the valid master that arrived.
    `strays` names the cookies that came in two versions.
    """

    scid: str
    click_id: str = ""
    click_at_s: int = 0
    minted: bool = False
    consent: bool | None = None
    optout: bool = False
    held: Signed | None = None
    strays: tuple[str, ...] = ()


class Remembered(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a browser's cookies say of it, before anything that this request adds.

    `scid` is "" for a browser without one. `clicks` and `legacy` are the values of `_scclid` and of
    the cookie that a shop plug-in sets.
    """

    scid: str = ""
    held: Signed | None = None
    clicks: tuple[str, ...] = ()
    legacy: tuple[str, ...] = ()
    optout: bool = False
    strays: tuple[str, ...] = ()


# --- recognising ---------------------------------------------------------------------------------


def remember(
    jar: Jar, *, source: str, site: CookieSite, signer: MasterSigner, now_s: int
) -> Remembered:
    """Read a browser's cookies.

    The `_scid` that equals the master's, else the first of a safe shape, else the master's: a valid
    value is never replaced, and a forged master never changes it.

    Args:
        jar: Of `edgeproxy.cookies.parse`.
        source: The id of the source, which must be the master's.
        site: Of `cookie_site`.
        signer: Verifies the master.
        now_s: Unix time.
    """
    if not jar:
        return _NOTHING
    held = _held(jar, source=source, site=site, signer=signer, now_s=now_s)
    return Remembered(
        scid=_scid(jar.get(SCID, ()), held),
        held=held,
        clicks=tuple(jar.get(CLICK, ())),
        legacy=tuple(jar.get(LEGACY_CLICK, ())),
        optout="1" in jar.get(OPTOUT, ()),
        strays=_strays(jar, site),
    )


_NOTHING = Remembered()


def recognise(
    remembered: Remembered,
    *,
    click_life_s: int,
    now_s: int,
    new_scid: Callable[[], str],
    batch_click_id: object = None,
    page_url: str = "",
    referrer_url: str = "",
    properties: Sequence[Mapping[str, object]] = (),
) -> Visitor:
    """The visitor behind a request: what the cookies say, and a click that the request brings.

    Args:
        remembered: Of `remember`.
        click_life_s: How long a click counts.
        now_s: Unix time.
        new_scid: Called only when a new id is needed; a UUID of version 4, because older versions
            of Snap's pixel replace what is not a UUID of version 1 to 5.
        batch_click_id: The batch's `click_id`, of any type.
        page_url: The page's address as the browser saw it.
        referrer_url: The referrer's.
        properties: Of each event, in order.
    """
    fresh = clickid.choose(batch=batch_click_id, page_url=page_url, referrer_url=referrer_url)
    for event in () if fresh else properties:
        if fresh := clickid.from_properties(event):
            break
    held, scid = remembered.held, remembered.scid
    click_id, click_at_s = _click(remembered, fresh, life_s=click_life_s, now_s=now_s)
    return Visitor(
        scid=scid or new_scid(),
        click_id=click_id,
        click_at_s=click_at_s,
        minted=not scid,
        consent=held.master.consent if held else None,
        optout=remembered.optout,
        held=held,
        strays=remembered.strays,
    )


def _held(
    jar: Jar, *, source: str, site: CookieSite, signer: MasterSigner, now_s: int
) -> Signed | None:
    """The first valid master; on https never one without a prefix, which any host could toss in."""
    for name in _master_names(site):
        for text in jar.get(name, ()):
            if signed := signer.read(text, source, now_s):
                return signed
    return None


def _master_names(site: CookieSite) -> tuple[str, ...]:
    if not site.secure:
        return (MASTER_HTTP,)
    # The second is there after `cookie_domain` was changed.
    return (MASTER, MASTER_HOST) if site.domain else (MASTER_HOST, MASTER)


def _scid(values: Sequence[str], held: Signed | None) -> str:
    if held is not None and held.master.scid in values:
        return held.master.scid
    for value in values:
        if valid_scid(value):
            return value
    return held.master.scid if held else ""


def _click(remembered: Remembered, fresh: str, *, life_s: int, now_s: int) -> tuple[str, int]:
    """The click id and when it was first seen; a remembered one ends with its window.

    `_scclid` does not say how old it is, the master does. So an id that the master knows to be over
    is not believed from another cookie either.
    """
    held, cookies, legacy = remembered.held, remembered.clicks, remembered.legacy
    known, known_at_s = (held.master.click_id, held.master.click_at_s) if held else ("", 0)
    if known and now_s - known_at_s >= life_s:
        cookies = tuple(value for value in cookies if value != known)
        legacy = tuple(value for value in legacy if value != known)
        known = ""
    if fresh:
        click_id = fresh
    elif known and known in cookies:
        click_id = known  # browsers send the older of two cookies first, and the last click wins
    else:
        click_id = clickid.choose(cookies=cookies, master=known, legacy=legacy)
    if click_id and click_id == known:
        return click_id, min(known_at_s, now_s)
    return click_id, now_s if click_id else 0


def _strays(jar: Jar, site: CookieSite) -> tuple[str, ...]:
    """The names that came in two versions, or under another prefix than today's."""
    strays = []
    own, *foreign = _master_names(site)
    for name in (SCID, CLICK, own):
        values = jar.get(name, ())
        if len(values) > 1 and len(set(values)) > 1:
            strays.append(name)
    strays += [name for name in foreign if name in jar]
    return tuple(strays)


# --- answering -----------------------------------------------------------------------------------


def cookies_for(
    visitor: Visitor,
    *,
    site: CookieSite,
    source: Source,
    signer: MasterSigner,
    now_s: int,
    consent: bool | None = None,
    tidy: bool = True,
) -> list[bytes]:
    """The `Set-Cookie` values for a visitor whom consent allows to know.

    Every cookie is set anew at each contact, since a browser that shortens its life counts from the
    last time, and one that a script wrote over is a server's cookie again. The click id's life runs
    on from its first sight. A remembered refusal is deleted: who gets here has changed their mind.

    Args:
        visitor: Of `recognise`.
        site: Of `cookie_site`.
        source: Whose click id settings apply.
        signer: Signs the master when it is outdated.
        now_s: Unix time.
        consent: `Decision.record`; None keeps what the master records.
        tidy: Also delete the strays; False keeps to three lines.
    """
    scid, click, master = _templates(site, source.click_id_readable)
    lines = [scid % (visitor.scid.encode(), DURABLE_S)]
    if visitor.click_id:
        left_s = source.click_id_days * DAY_S - (now_s - visitor.click_at_s)
        lines.append(click % (visitor.click_id.encode(), left_s))
    text = signer.renew(_master(visitor, source.id, consent), visitor.held, now_s)
    lines.append(master % (text.encode(), DURABLE_S))
    if visitor.optout:
        lines += expire(OPTOUT, site)
    if tidy and visitor.strays:
        lines += _stray_lines(site, visitor.strays)
    return lines


def _master(visitor: Visitor, source: str, consent: bool | None) -> Master:
    click_id, click_at_s = visitor.click_id, visitor.click_at_s
    if not click_id and visitor.held:
        # An id whose window is over stays known as such, or another copy of it would be new again.
        click_id, click_at_s = visitor.held.master.click_id, visitor.held.master.click_at_s
    return Master(
        scid=visitor.scid,
        source=source,
        click_id=click_id,
        click_at_s=click_at_s,
        consent=visitor.consent if consent is None else consent,
    )


@functools.lru_cache(1_024)
def _templates(site: CookieSite, click_id_readable: bool) -> tuple[bytes, bytes, bytes]:
    return (
        template(SCID, site),
        template(CLICK, site, readable=click_id_readable),
        template(site.master, site),
    )


def _stray_lines(site: CookieSite, strays: tuple[str, ...]) -> list[bytes]:
    own = (SCID, CLICK, site.master)
    return [line for name in strays for line in expire(name, site, ours=name not in own)]


def expire_lines(site: CookieSite, *, thorough: bool = True) -> list[bytes]:
    """The `Set-Cookie` values that delete every cookie that could name the visitor.

    For a refusal, a withdrawal and `Sec-GPC`. `thorough` False deletes only where we set them now:
    three lines.
    """
    if thorough:
        return list(_expiry(site))
    place = CookieSite(domain=site.domain, secure=site.secure)
    return [line for name in (SCID, CLICK, site.master) for line in expire(name, place)]


@functools.lru_cache(1_024)
def _expiry(site: CookieSite) -> tuple[bytes, ...]:
    names = (SCID, CLICK, *_master_names(site))
    return tuple(line for name in names for line in expire(name, site))


def optout_line(site: CookieSite) -> bytes:
    """The `Set-Cookie` value that remembers a refusal by choice (not `Sec-GPC`, which repeats)."""
    return template(OPTOUT, site) % (b"1", DURABLE_S)
