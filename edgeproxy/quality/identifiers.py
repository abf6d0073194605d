"""What an event can carry that helps Snap to match it, and what to do when it does not."""

import msgspec

SELLING = frozenset({"PURCHASE", "ADD_CART", "START_CHECKOUT", "VIEW_CONTENT"})
"""Events for which Snap recommends price, currency and item ids."""


class Identifier(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that an event can carry, and what to do when it does not.

    `asked` and `other` are the shares of events that a site can reach: at the moments when people
    say who they are, and elsewhere.
    """

    letter: str
    name: str
    label: str
    title: str
    how: str
    asked: float
    other: float


IDENTIFIERS: tuple[Identifier, ...] = (
    Identifier(
        letter="c",
        name="click_id",
        label="Click id",
        title="Keep Snap's click id",
        how="Put the tag on every landing page, before any redirect, and let redirects keep the "
        "query: ScCid is only on the first page after a click on an ad.",
        asked=0.2,
        other=0.12,
    ),
    Identifier(
        letter="e",
        name="email",
        label="E-mail",
        title="Add the e-mail with identify",
        how='Call edge.identify(id, {email: "…"}) at sign-in, sign-up and checkout. It is hashed '
        "before it is stored, and later events of the visitor carry it too.",
        asked=0.95,
        other=0.35,
    ),
    Identifier(
        letter="p",
        name="phone",
        label="Phone",
        title="Add the phone number",
        how='Pass phone in edge.identify(id, {phone: "+1 …"}), with its country code, or set '
        "default_country for the site.",
        asked=0.7,
        other=0.25,
    ),
    Identifier(
        letter="m",
        name="mobile_ad_id",
        label="Mobile ad id",
        title="Send the mobile advertising id",
        how="An app gives it in context.device.advertisingId.",
        asked=0.0,
        other=0.0,
    ),
    Identifier(
        letter="s",
        name="scid",
        label="_scid cookie",
        title="Give every visitor Snap's cookie",
        how="Serve the tag from a host of the site's own domain, so that the browser keeps _scid; "
        "the server API takes it as anonymousId.",
        asked=1.0,
        other=1.0,
    ),
    Identifier(
        letter="i",
        name="ip_and_agent",
        label="IP and browser",
        title="Pass the visitor's address and browser",
        how="Check trusted_proxies, so that the address is the visitor's; on the server API send "
        'context.ip and context.userAgent; with privacy = "strict" Snap gets neither.',
        asked=1.0,
        other=1.0,
    ),
    Identifier(
        letter="n",
        name="name_and_address",
        label="Name and address",
        title="Add name and address at checkout",
        how="Pass firstName, lastName, city, state, zip and country in edge.identify's traits; "
        "they are hashed before they are stored.",
        asked=0.9,
        other=0.3,
    ),
    Identifier(
        letter="x",
        name="external_id",
        label="Your own id",
        title="Add your own customer id",
        how="Pass the customer's id as the first argument of edge.identify; only Snap's v3 API "
        "takes it, hashed.",
        asked=0.9,
        other=0.35,
    ),
    Identifier(
        letter="v",
        name="value",
        label="Value, currency",
        title="Send value and currency",
        how="Give value and currency with every event that sells something, not only PURCHASE.",
        asked=1.0,
        other=1.0,
    ),
    Identifier(
        letter="t",
        name="item_ids",
        label="Item ids",
        title="Send the ids of the items",
        how="Give products (or items) with the ids of your Snap catalogue, or item_ids.",
        asked=1.0,
        other=1.0,
    ),
)
"""In the order in which they are shown: the strongest first."""

WHO = "cepsinx"
"""Letters of what tells who it was."""

APP = "m"
"""The letter of what only an app can have."""

GOODS = "vt"
"""Letters of what is missed on events that sell."""
