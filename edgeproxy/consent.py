"""May this request's events be stored and forwarded, and what is remembered of the choice.

One pure decision over what speaks for and against: Global Privacy Control, a remembered refusal,
the choice that came with the request, the choice that the signed cookie holds, the source's rule.
The strictest wins, with one exception: who says yes now has changed an earlier no.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

import msgspec

from edgeproxy.sites import ConsentRule

ADVERTISING = "advertising"  # the category that the short form `{"ad": …}` speaks of

Reason = Literal["", "no_consent", "gpc"]

_NONE: frozenset[str] = frozenset()
_ADVERTISING = frozenset((ADVERTISING,))
_PLAIN = (_NONE, _ADVERTISING)


class Decision(msgspec.Struct, frozen=True, gc=False, kw_only=True, cache_hash=True):
    """What a request may do.

    `reason` is "" when advertising is allowed, else why not. `withdraw` is an explicit no in this
    request: cookies go, queued events are cancelled, the refusal is remembered. `record` is the
    choice for the signed cookie (None: the visitor has not said anything).
    """

    reason: Reason
    withdraw: bool = False
    record: bool | None = None
    granted: frozenset[str] = _NONE
    refused: frozenset[str] = _NONE
    unasked: bool = False  # whether a category that nobody spoke of is allowed

    @property
    def plain(self) -> bool:
        """Whether nothing beyond advertising was spoken of, as nearly always."""
        return self.granted in _PLAIN and self.refused in _PLAIN

    def allows(self, categories: Iterable[str] = (ADVERTISING,)) -> bool:
        """Whether each category of an integration is allowed; no category means advertising."""
        return all(
            category not in self.refused and (self.unasked or category in self.granted)
            for category in tuple(categories) or (ADVERTISING,)
        )


def decide(
    rule: ConsentRule, *, gpc: bool, optout: bool, batch: object, recorded: bool | None
) -> Decision:
    """Weigh everything that is known of a visitor's choice.

    Args:
        rule: The source's rule: "required" (nothing until a yes) or "implied" (until a no).
        gpc: The request carries `Sec-GPC: 1`.
        optout: The visitor's cookie remembers a refusal.
        batch: The request's consent as decoded JSON: `{"ad": bool}` or
            `{"categories": {"advertising": bool, …}}`; None or anything malformed says nothing.
        recorded: The choice in a valid signed cookie of this source.

    Source: Global Privacy Control, W3C draft: the signal is a refusal for the request that carries
    it, and nothing is remembered of it.
    """
    granted, refused = _statement(batch)
    plain = granted in _PLAIN and refused in _PLAIN
    weighed = _weighed_cached if plain else _weighed
    return weighed(rule, gpc, optout, granted, refused, recorded)


def _weighed(
    rule: ConsentRule,
    gpc: bool,
    optout: bool,
    granted: frozenset[str],
    refused: frozenset[str],
    recorded: bool | None,
) -> Decision:
    withdraw = ADVERTISING in refused
    if gpc:
        record = False if withdraw else None
        return Decision(reason="gpc", withdraw=withdraw, record=record)
    remembered_no = optout or recorded is False
    if withdraw or (remembered_no and ADVERTISING not in granted):
        return Decision(reason="no_consent", withdraw=withdraw, record=False)
    if recorded:
        granted |= _ADVERTISING
    unasked = rule == "implied"
    return Decision(
        reason="" if unasked or ADVERTISING in granted else "no_consent",
        record=True if ADVERTISING in granted else None,
        granted=granted,
        refused=refused,
        unasked=unasked,
    )


_weighed_cached = lru_cache(256)(_weighed)  # nearly all requests say one of a few things


def _statement(batch: object) -> tuple[frozenset[str], frozenset[str]]:
    """The categories that the request grants, and those that it refuses."""
    if not isinstance(batch, dict):
        return _NONE, _NONE
    ad, categories = batch.get("ad"), batch.get("categories")
    if categories is None:  # the tag's own form, on nearly every request
        return _ADVERTISING if ad is True else _NONE, _ADVERTISING if ad is False else _NONE
    if not isinstance(categories, dict):  # unreadable: a no still counts, a yes does not
        return _NONE, _ADVERTISING if ad is False else _NONE
    answers: list[tuple[str, object]] = [(str(name), yes) for name, yes in categories.items()]
    if ad is not None:
        answers.append((ADVERTISING, ad))
    refused = frozenset(name for name, yes in answers if yes is False)
    # A category is granted when all that was said of it is a plain yes: "yes" and 1 are not.
    unclear = {name for name, yes in answers if yes is not True}
    return frozenset(name for name, _ in answers if name not in unclear), refused
