"""Sources and integrations: the plain values that the configuration and the admin API make.

Frozen structs without behaviour; `edgeproxy.registry` holds the current ones.
"""

from typing import Literal

import msgspec

Api = Literal["v2", "v3"]
Privacy = Literal["match", "strict"]
ConsentRule = Literal["required", "implied"]


class Secret:
    """A text that must not be printed: `repr` and `str` are masked, `reveal()` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; every caller is a place to look at in a security review."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(••••)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)


class Integration(msgspec.Struct, frozen=True, kw_only=True):
    """One Snap pixel or app that a source's events go to."""

    id: str
    source: str
    access_token: Secret
    vendor: str = "snapchat"
    name: str = ""
    enabled: bool = True
    pixel_id: str = ""
    snap_app_id: str = ""
    app_id: str = ""
    api: Api = "v2"
    privacy: Privacy = "match"
    consent_categories: tuple[str, ...] = ("advertising",)
    events: dict[str, tuple[str, ...]] = {}  # the caller's name, as written → Snap names
    unknown_events: str = "drop"  # "drop", "uppercase" or a Snap name
    limited_data_use: bool = False
    rate_limit_rps: float = 50.0
    rate_limit_burst: int = 100
    rate_limit_per_minute: int | None = None
    batch_max: int = 500
    linger_ms: int = 250


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One site whose events come in.

    `origins` are normalised ("https://www.example.com", lower case, no default port, no path).
    `cookie_domain` is "auto", "host" (host-only cookies) or a domain.
    `default_country` is an ISO 3166 alpha-2 code in upper case, or "" for none.
    `write_keys` are those of the configuration as they stand there; `write_key_digests` is the
    SHA-256 in hex of every write key, wherever it was made.
    """

    id: str
    origins: tuple[str, ...] = ()
    cookie_domain: str = "auto"
    consent: ConsentRule = "required"
    default_country: str = ""
    click_id_days: int = 90
    click_id_readable: bool = False
    write_keys: tuple[Secret, ...] = ()
    write_key_digests: tuple[str, ...] = ()
    integrations: tuple[Integration, ...] = ()
