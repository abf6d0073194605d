"""The cookies that this product sets: their table, their reader, their writer.

Here live the names and attributes, the parser that keeps duplicates, the signed master cookie and
the `Set-Cookie` lines. Whose cookies they are and what goes into them is `edgeproxy.identity`.
"""

import functools
import hashlib
import re
from collections.abc import Iterable, Sequence

import msgspec
from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode
from itsdangerous.signer import HMACAlgorithm

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


# --- the master ----------------------------------------------------------------------------------

_SCID_SHAPE = re.compile(r"[A-Za-z0-9._~-]{8,200}")
_MASTER_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_MASTER_CHARACTERS = 1_024
_VERIFIED = 4_096


def valid_scid(text: str) -> bool:
    """Whether a value may be kept as `_scid`: any safe shape, since Snap writes several."""
    return _SCID_SHAPE.fullmatch(text) is not None


class Master(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the signed cookie says; signed is not secret, so nothing personal is in it.

    `click_at_s` is the Unix time at which the click id was first seen, 0 without one. `consent` is
    None when the visitor has not said anything.
    """

    scid: str
    source: str
    click_id: str = ""
    click_at_s: int = 0
    consent: bool | None = None


class Signed(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A master as it arrived, verified. `newest`: signed with today's key."""

    master: Master
    text: str
    signed_at_s: int
    newest: bool


class _Payload(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A master on the wire: an array, because names would double its length."""

    scid: str
    source: str
    click_id: str
    click_at_s: int
    consent: bool | None
    signed_at_s: int


_PAYLOAD = msgspec.json.Decoder(_Payload)
_ENCODE = msgspec.json.Encoder().encode


class MasterSigner:
    """Signs masters with the newest key and verifies with all.

    itsdangerous, with the stamp inside the payload, because `TimestampSigner` and the serializers
    read the clock themselves and cost several times as much. Its `Signer` derives the key anew at
    each call; here that is done once per key and the library's HMAC is asked directly, which gives
    the same texts. Verified texts are remembered, since a visitor sends the same one for a day;
    age and source are looked at each time.

    Args:
        keys: At least 32 bytes each, oldest to newest; at least one.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        # The salt keeps a text that was signed for another purpose from being a master.
        self._newest_first = tuple(
            Signer(
                key, salt="edgeproxy.master", key_derivation="hmac", digest_method=hashlib.sha256
            ).derive_key()
            for key in reversed(keys)
        )
        self._algorithm = HMACAlgorithm(hashlib.sha256)
        self._verified = functools.lru_cache(_VERIFIED)(self._verify)

    def sign(self, master: Master, now_s: int) -> str:
        """The cookie's value: URL-safe base64, a dot, the signature; about 200 characters."""
        payload = _Payload(
            master.scid, master.source, master.click_id, master.click_at_s, master.consent, now_s
        )
        body = base64_encode(_ENCODE(payload))
        signature = self._algorithm.get_signature(self._newest_first[0], body)
        return f"{body.decode()}.{base64_encode(signature).decode()}"

    def read(self, text: str, source: str, now_s: int) -> Signed | None:
        """The master in a cookie's value, or None.

        None for what is forged, cut, oversized, expired, of a key that is gone, or of another
        source: with one process for several sites, a cookie of one must not work on the next.
        """
        if len(text) > _MASTER_CHARACTERS:
            return None
        signed = self._verified(text)
        if signed is None or signed.master.source != source:
            return None
        return signed if now_s - signed.signed_at_s <= DURABLE_S else None

    def renew(self, master: Master, held: Signed | None, now_s: int) -> str:
        """The value to set now: the one that arrived, unless it is outdated.

        It is outdated when its content changed, its stamp is a day off in either direction (a clock
        may have been wrong), or a newer key is there. Signing costs more than all else here.
        """
        if (
            held is not None
            and held.newest
            and held.master == master
            and -DAY_S < now_s - held.signed_at_s < DAY_S
        ):
            return held.text
        return self.sign(master, now_s)

    def _verify(self, text: str) -> Signed | None:
        # The library's base64 passes over foreign characters, and a valid text is sent out again.
        if not _MASTER_SHAPE.fullmatch(text):
            return None
        body, _, signature = text.encode().partition(b".")
        try:
            age = self._age_of_key(body, base64_decode(signature))
            payload = _PAYLOAD.decode(base64_decode(body)) if age is not None else None
        except (BadData, msgspec.DecodeError, UnicodeError):
            return None
        if payload is None:
            return None
        master = Master(
            scid=payload.scid,
            source=payload.source,
            click_id=payload.click_id,
            click_at_s=payload.click_at_s,
            consent=payload.consent,
        )
        return Signed(master=master, text=text, signed_at_s=payload.signed_at_s, newest=age == 0)

    def _age_of_key(self, body: bytes, signature: bytes) -> int | None:
        """0 when the newest key signed it, 1 for the one before; None when none of ours did."""
        for age, key in enumerate(self._newest_first):
            if self._algorithm.verify_signature(key, body, signature):
                return age
        return None


# --- writing -------------------------------------------------------------------------------------


class CookieSite(msgspec.Struct, frozen=True, gc=False, kw_only=True):
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
