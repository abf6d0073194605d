"""The cookies that this product sets: their table, their reader, their writer.

Here live the names and attributes, the parser that keeps duplicates and the `Set-Cookie` lines.
Whose cookies they are and what goes into them is `edgeproxy.identity`.
"""

import re
from collections.abc import Iterable

import msgspec

SCID = "_scid"
CLICK = "_scclid"
MASTER = "__Secure-edge"
MASTER_HOST = "__Host-edge"
MASTER_HTTP = "edge"
OPTOUT = "edge_optout"
LEGACY_CLICK = "ScCid"  # a session cookie of Snap's WooCommerce plugin: read, never set

DAY_S = 86_400
DURABLE_S = 395 * DAY_S  # browsers cut at 400 days. Source: RFC 6265bis, cookie lifetime limits
CLICK_S = 90 * DAY_S


class Cookie(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A row of the table. `readable`: scripts may read it; `host_only`: it never has a Domain."""

    name: str
    max_age_s: int
    readable: bool
    why: str
    secure: bool = True
    host_only: bool = False

    @property
    def attributes(self) -> str:
        """The attributes as documentation shows them."""
        return _attributes(
            domain=None if self.host_only else "<registrable domain>",
            max_age=str(self.max_age_s),
            secure=self.secure,
            readable=self.readable,
        )


def _attributes(*, domain: str | None, max_age: str, secure: bool, readable: bool) -> str:
    # SameSite is always named, because browsers differ in what they assume without it.
    parts = [f"Domain={domain}"] if domain else []
    parts += ["Path=/", f"Max-Age={max_age}"]
    parts += ["Secure"] if secure else []
    parts += ["SameSite=Lax"]
    parts += [] if readable else ["HttpOnly"]
    return "; ".join(parts)


COOKIES: tuple[Cookie, ...] = (
    Cookie(
        name=SCID,
        max_age_s=DURABLE_S,
        readable=True,
        why="names the browser; shared with Snap's pixel, and an existing value is never replaced",
    ),
    Cookie(
        name=CLICK,
        max_age_s=CLICK_S,
        readable=False,
        why="the ad click that brought the visitor; the last click wins",
    ),
    Cookie(
        name=MASTER,
        max_age_s=DURABLE_S,
        readable=False,
        why="signed copy of the two above and of the consent; restores them after a purge",
    ),
    Cookie(
        name=MASTER_HOST,
        max_age_s=DURABLE_S,
        readable=False,
        host_only=True,
        why="the same where cookies are host-only",
    ),
    Cookie(
        name=MASTER_HTTP,
        max_age_s=DURABLE_S,
        readable=False,
        secure=False,
        why="the same on http, for demonstrations on loopback",
    ),
    Cookie(
        name=OPTOUT,
        max_age_s=DURABLE_S,
        readable=True,
        why="remembers a refusal; holds no id",
    ),
)

# --- reading -------------------------------------------------------------------------------------

_ROWS = {row.name: row for row in COOKIES}
_SCAN_BYTES = 65_536
_KEEP_CHARACTERS = 8_192

# One pass in C over all cookies; without backtracking, so that no header takes long.
_OURS = re.compile(rf";[ \t]*+({'|'.join((*_ROWS, LEGACY_CLICK))})[ \t]*+=[ \t]*+([^;]*+)")


def parse(lines: Iterable[bytes]) -> dict[str, list[str]]:
    """All values of each cookie of ours, in the order in which they came.

    Values are as sent: not unquoted, not decoded, perhaps of no use. A name may occur several
    times, because a host-only cookie, one with a Domain and one that a sibling host tossed in are
    three cookies; browsers send deeper paths first, then older ones (RFC 6265, section 5.4). One
    odd cookie costs itself only. Reading ends after 64 KiB of headers or 8 KiB of our cookies.

    Args:
        lines: The values of the request's `Cookie` headers; HTTP/2 may split them.
    """
    jar: dict[str, list[str]] = {}
    scan_bytes, keep_characters = _SCAN_BYTES, _KEEP_CHARACTERS
    for line in lines:
        if len(line) > scan_bytes:  # half a value must not pass for a whole one
            line = line[:scan_bytes].rpartition(b";")[0]
        scan_bytes -= len(line)
        for name, value in _OURS.findall(";" + line.decode("latin-1")):
            keep_characters -= len(name) + len(value)
            if keep_characters < 0:
                return jar
            if name in jar:
                jar[name].append(value.rstrip(" \t"))
            else:
                jar[name] = [value.rstrip(" \t")]
    return jar


_SCID_SHAPE = re.compile(r"[A-Za-z0-9._~-]{8,200}")


def valid_scid(text: str) -> bool:
    """Whether a value may be kept as `_scid`: any safe shape, since Snap writes several."""
    return _SCID_SHAPE.fullmatch(text) is not None


# --- writing -------------------------------------------------------------------------------------


class CookieSite(msgspec.Struct, frozen=True, gc=False, kw_only=True, cache_hash=True):
    """Where cookies are set: `domain` (None: host-only) and whether the page is on https.

    `others` are the further places where a cookie of the same name may lie for this host: other
    domains that the host may set, and None for host-only.
    """

    domain: str | None = None
    secure: bool = True
    others: tuple[str | None, ...] = ()

    @property
    def master(self) -> str:
        """The master's name here; the prefixes make browsers insist on the attributes."""
        if not self.secure:
            return MASTER_HTTP
        return MASTER if self.domain else MASTER_HOST


def template(name: str, site: CookieSite, *, readable: bool | None = None) -> bytes:
    """A `Set-Cookie` value with `%b` for the value and `%d` for the seconds it lives.

    Values are put in as they are: browsers hand quotes on, so callers give only values that need
    none. Raises KeyError for a name without a row in `COOKIES`.
    """
    row = _ROWS[name]
    attributes = _attributes(
        domain=site.domain,
        max_age="%d",
        secure=site.secure,
        readable=row.readable if readable is None else readable,
    )
    return f"{name}=%b; {attributes}".encode()


def expire(name: str, site: CookieSite, *, ours: bool = True) -> list[bytes]:
    """`Set-Cookie` values that delete a cookie wherever this host may have set it.

    A host-only cookie and one with a Domain are two cookies. `ours` False leaves the one that we
    keep. Never `Clear-Site-Data`: it takes the shop's own cookies along, the login included.
    """
    places = (site.domain, *site.others) if ours else site.others
    if _ROWS[name].host_only:
        places = tuple(place for place in places if place is None)
    return [
        template(name, CookieSite(domain=place, secure=site.secure)) % (b"", 0) for place in places
    ]
