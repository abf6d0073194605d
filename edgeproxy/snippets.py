"""What a site pastes: the tag for its pages and the policy that lets it work.

`PLATFORMS` is the table of kinds of sites; texts are made from plain values only.
"""

import re
from collections.abc import Callable
from html import escape
from urllib.parse import urlsplit

import msgspec

from edgeproxy.sites import ConsentRule
from edgeproxy.urls import origin_of

_GLOBAL = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")

PLACEHOLDER = "https://edge.example.com"
"""Stands for the proxy's address until there is one."""


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """How the tag behaves on a site's pages.

    Attributes:
        endpoint: Where the proxy answers, "https://edge.example.com" or with its prefix.
        consent: "implied" lets events flow until a refusal; the tag assumes "required".
        name: The global of the tag's API.
        auto: Whether the tag sends a page view by itself.
    """

    endpoint: str
    consent: ConsentRule = "required"
    name: str = "edge"
    auto: bool = True


class Snippet(msgspec.Struct, frozen=True, kw_only=True):
    """`code` goes where `place` says; `policy` is what a Content-Security-Policy needs."""

    code: str
    place: str
    policy: str


def snippet(tag: Tag, *, platform: str = "html") -> Snippet:
    """The text to paste on a platform of `PLATFORMS`.

    Raises:
        ValueError: A value cannot be used; a sentence that continues its name.
    """
    endpoint = endpoint_of(tag.endpoint)
    if _GLOBAL.fullmatch(tag.name) is None:
        raise ValueError("must be a name that JavaScript takes for a variable")
    return PLATFORMS[platform](endpoint, tag)


def endpoint_of(text: str) -> str:
    """The proxy's address without a slash at the end; raises ValueError with a sentence."""
    parts = urlsplit(text.strip())
    path = parts.path.rstrip("/")
    if _PATH.fullmatch(path) is None:
        raise ValueError("must have a plain path, such as https://www.example.com/edge")
    return origin_of(parts._replace(path="").geturl()) + path


def _html(endpoint: str, tag: Tag) -> Snippet:
    given = {
        "data-consent": tag.consent if tag.consent != "required" else "",
        "data-global": tag.name if tag.name != "edge" else "",
        "data-auto": "" if tag.auto else "false",
    }
    options = "".join(f' {name}="{escape(value)}"' for name, value in given.items() if value)
    origin = "/".join(endpoint.split("/")[:3])
    return Snippet(
        code=f'<script async src="{escape(endpoint)}/s.js"{options}></script>',
        place="in the <head> of every page",
        policy=f"script-src {origin}; connect-src {origin}",
    )


PLATFORMS: dict[str, Callable[[str, Tag], Snippet]] = {"html": _html}
"""Kind of site → its snippet."""
