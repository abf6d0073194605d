"""What a site pastes: the tag for its pages and the policy that lets it work.

`PLATFORMS` is the table of kinds of sites; the longer texts lie in `templates/`. Texts are made
from plain values only.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from html import escape
from urllib.parse import urlsplit

import jinja2
import msgspec

from edgeproxy.sites import ConsentRule
from edgeproxy.urls import origin_of

_GLOBAL = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
_PIXEL = re.compile(r"[A-Za-z0-9-]{1,64}")
_ADAPTERS = frozenset(("tcf", "gpp", "google"))
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)

PLACEHOLDER = "https://edge.example.com"
"""Stands for the proxy's address until there is one."""

PIXEL_PLACEHOLDER = "YOUR-PIXEL-ID"
WRITE_KEY_PLACEHOLDER = "YOUR-WRITE-KEY"


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """How the tag behaves on a site's pages.

    Attributes:
        endpoint: Where the proxy answers, "https://edge.example.com" or with its prefix.
        consent: "implied" lets events flow until a refusal; the tag assumes "required".
        name: The global of the tag's API; "" for the platform's own.
        auto: Whether the tag sends a page view by itself.
        pixel: The only pixel that the events are for; "" for all of the source.
        layer: The data layer whose e-commerce pushes become events; "" for none.
        cmp: The consent adapters that the tag fetches, "tcf gpp google".
        noscript: Whether visitors without JavaScript send a page view too.
        file: The tag's file name; the one with its hash in it goes with `integrity`.
        integrity: The file's digest as browsers check it, "sha384-…"; "" for none.
    """

    endpoint: str
    consent: ConsentRule = "required"
    name: str = ""
    auto: bool = True
    pixel: str = ""
    layer: str = ""
    cmp: str = ""
    noscript: bool = False
    file: str = "s.js"
    integrity: str = ""


class Snippet(msgspec.Struct, frozen=True, kw_only=True):
    """`code` goes where `place` says; `policy` is what a Content-Security-Policy needs.

    `comment` is what a comment begins and ends with in the code's language. `todo` names the
    placeholders that the code still holds.
    """

    code: str
    place: str
    policy: str
    comment: tuple[str, str] = ("<!-- ", " -->")
    todo: tuple[str, ...] = ()


class Fault(ValueError):
    """A value cannot be used; the sentence continues the name of `field`."""

    def __init__(self, field: str, sentence: str) -> None:
        self.field = field
        super().__init__(sentence)


def snippet(tag: Tag, *, platform: str = "html") -> Snippet:
    """The text to paste on a platform of `PLATFORMS`.

    Raises:
        Fault: A value cannot be used.
    """
    endpoint = endpoint_of(tag.endpoint)
    for field, names in (("name", tag.name), ("layer", tag.layer)):
        if names and _GLOBAL.fullmatch(names) is None:
            raise Fault(field, "must be a name that JavaScript takes for a variable")
    if tag.pixel and _PIXEL.fullmatch(tag.pixel) is None:
        raise Fault("pixel", "must be the id of a pixel, letters, digits and hyphens")
    if unknown := sorted(set(tag.cmp.split()) - _ADAPTERS):
        raise Fault("cmp", f'must name tcf, gpp or google; "{unknown[0]}" is none of them')
    return PLATFORMS[platform](endpoint, tag)


def endpoint_of(text: str) -> str:
    """The proxy's address without a slash at the end; raises Fault with a sentence."""
    try:
        parts = urlsplit(text.strip())
        path = parts.path.rstrip("/")
        if _PATH.fullmatch(path) is None:
            raise ValueError("must have a plain path, such as https://www.example.com/edge")
        return origin_of(parts._replace(path="").geturl()) + path
    except ValueError as error:
        raise Fault("endpoint", str(error)) from None


# --- the tag's own attributes --------------------------------------------------------------------


def _data(tag: Tag, *, name: str = "", layer: str = "", cmp: str = "") -> dict[str, str]:
    """The `data-*` attributes that differ from the tag's defaults; a platform has its own."""
    name = tag.name or name
    given = {
        "data-consent": tag.consent if tag.consent != "required" else "",
        "data-global": name if name != "edge" else "",
        "data-auto": "" if tag.auto else "false",
        "data-pixel": tag.pixel,
        "data-layer": tag.layer or layer,
        "data-cmp": tag.cmp or cmp,
    }
    return {key: value for key, value in given.items() if value}


def _element(endpoint: str, tag: Tag, data: Mapping[str, str]) -> str:
    """The tag as an element of a page."""
    attributes = {"src": f"{endpoint}/{tag.file}", **_checks(tag), **data}
    texts = [f' {name}="{escape(value)}"' for name, value in attributes.items()]
    return f"<script async{''.join(texts)}></script>"


def _checks(tag: Tag) -> dict[str, str]:
    """Integrity is checked on answers with CORS only. Source: W3C, Subresource Integrity."""
    if not tag.integrity:
        return {}
    return {"integrity": tag.integrity, "crossorigin": "anonymous"}


def _noscript(endpoint: str, tag: Tag) -> str:
    """A page view by an image; its referrer is the whole address, so that an ad click counts."""
    if not tag.noscript:
        return ""
    return (
        f'\n<noscript><img src="{escape(endpoint)}/i?name=page" alt="" width="1" height="1" '
        'referrerpolicy="no-referrer-when-downgrade"></noscript>'
    )


def _policy(endpoint: str, tag: Tag, code: str = "") -> str:
    """What a Content-Security-Policy has to allow; inline scripts by their digests."""
    origin = "/".join(endpoint.split("/")[:3])
    digests = [hashlib.sha256(text.encode()).digest() for text in _INLINE.findall(code)]
    hashes = "".join(f" 'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    image = f"; img-src {origin}" if tag.noscript else ""
    return f"script-src{hashes} {origin}; connect-src {origin}{image}"


def _place(tag: Tag) -> str:
    head = "in the <head> of every page"
    return f"{head}; the <noscript> at the start of <body>" if tag.noscript else head


# --- the platforms -------------------------------------------------------------------------------


def _html(endpoint: str, tag: Tag) -> Snippet:
    code = _element(endpoint, tag, _data(tag)) + _noscript(endpoint, tag)
    return Snippet(code=code, place=_place(tag), policy=_policy(endpoint, tag))


def _snaptr(endpoint: str, tag: Tag) -> Snippet:
    file = tag.file if tag.integrity else "scevent.min.js"
    code = _render(
        "snaptr.html",
        address=f"{endpoint}/{file}",
        attributes={**_checks(tag), **_data(msgspec.structs.replace(tag, auto=True, pixel=""))},
        pixel=tag.pixel or PIXEL_PLACEHOLDER,
        auto=tag.auto,
    ) + _noscript(endpoint, tag)
    return Snippet(
        code=code,
        place=f"in place of Snap's own snippet, {_place(tag)}",
        policy=_policy(endpoint, tag, code),
        todo=() if tag.pixel else (PIXEL_PLACEHOLDER,),
    )


def _gtm(endpoint: str, tag: Tag) -> Snippet:
    code = _render(
        "gtm.html",
        address=f"{endpoint}/{tag.file}",
        attributes={**_checks(tag), **_data(tag, layer="dataLayer", cmp="google")},
    )
    return Snippet(
        code=code + _noscript(endpoint, tag),
        place="as a Custom HTML tag with the trigger Initialization - All Pages",
        policy=_policy(endpoint, tag),
    )


def _segment(endpoint: str, tag: Tag) -> Snippet:
    name = tag.name or "analytics"
    quiet = msgspec.structs.replace(tag, auto=False)
    code = _render("segment.html", name=name, auto=tag.auto)
    code += "\n" + _element(endpoint, tag, _data(quiet, name=name)) + _noscript(endpoint, tag)
    return Snippet(
        code=code,
        place=f"in place of Segment's own snippet, {_place(tag)}",
        policy=_policy(endpoint, tag, code),
    )


def _shopify(endpoint: str, tag: Tag) -> Snippet:
    return Snippet(
        code=_render("shopify.js", endpoint=endpoint, write_key=WRITE_KEY_PLACEHOLDER),
        place=(
            "Settings, Customer events, Add custom pixel; Permission: Required, Marketing. "
            "The write key can be read by visitors: make one for this pixel alone"
        ),
        policy=f"connect-src {'/'.join(endpoint.split('/')[:3])}",
        comment=("// ", ""),
        todo=(WRITE_KEY_PLACEHOLDER,),
    )


def _woocommerce(endpoint: str, tag: Tag) -> Snippet:
    return Snippet(
        code=_render(
            "woocommerce.php",
            element=_element(endpoint, tag, _data(tag)),
            image=_noscript(endpoint, tag).strip(),
            name=tag.name or "edge",
        ),
        place="in functions.php of the child theme, or in a snippets plugin",
        policy=_policy(endpoint, tag),
        comment=("// ", ""),
    )


PLATFORMS: dict[str, Callable[[str, Tag], Snippet]] = {
    "html": _html,
    "snaptr": _snaptr,
    "gtm": _gtm,
    "shopify": _shopify,
    "woocommerce": _woocommerce,
    "segment": _segment,
}
"""Kind of site → its snippet."""


# --- texts ---------------------------------------------------------------------------------------


def _js(value: object) -> str:
    """A literal of JavaScript that may stand in a page."""
    return json.dumps(value).replace("<", "\\u003c")


def _php(text: str) -> str:
    """A literal of PHP."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("edgeproxy.snippets"),
    autoescape=False,  # noqa: S701 - no template is HTML with foreign texts; literals are escaped
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters.update(js=_js, php=_php)


def _render(template: str, **values: object) -> str:
    return _TEMPLATES.get_template(template).render(values)
