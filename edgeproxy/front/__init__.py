"""The nginx in front of the proxy: its whole configuration as text, for each shape of a site.

Pure: names and addresses in, a file's text out. The texts lie in `templates/`; the `nginx.conf` of
the repository is what `configuration` gives for `Front(mode="subdomain")`.
"""

import re
from typing import Literal, get_args

import jinja2
import msgspec

from edgeproxy.urls import origin_of

Mode = Literal["subdomain", "path", "html"]
MODES: tuple[Mode, ...] = get_args(Mode)

_PREFIX = re.compile(r"(?:/[A-Za-z0-9_~-]+)+")
_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")

_SCRIPTS = r"(?:s(?:\.[0-9a-f]{16})?|scevent\.min|cmp|layer)\.js"
"""The tag under its three names, and its parts."""

_SLOTS = (1, 2, 3, 4)
"""Cookies that a page can be given; `GET /visit` never names more."""

_FORGIVEN = (
    range(300, 309),
    range(400, 432),
    range(440, 452),
    range(500, 512),
)
"""Statuses after which a page is served all the same: all but success.

`auth_request` fails the page on any of them. Source: nginx, ngx_http_auth_request_module; IANA,
HTTP status codes.
"""


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """What nginx stands in front of.

    Attributes:
        mode: "subdomain" (a host of its own), "path" (a path of the site's host) or "html" (the
            site's pages bring the cookies; the proxy has a path of the site's host, or `domain` for
            itself when that is another one).
        domain: The proxy's host.
        site: The host of the site's pages; "" for `domain`.
        prefix: The proxy's path on the site's host.
        upstream: Where the proxy listens, "127.0.0.1:8000".
        backend: Where the site itself answers.
    """

    mode: Mode = "subdomain"
    domain: str = "edge.example.com"
    site: str = ""
    prefix: str = "/edge"
    upstream: str = "127.0.0.1:8000"
    backend: str = "127.0.0.1:8080"


def configuration(front: Front) -> str:
    """A complete nginx.conf for nginx 1.22 and later.

    The values must be checked: `host`, `path` and `address`.
    """
    site = front.site or front.domain
    pages_here = front.mode != "subdomain"
    under = front.mode == "path" or (front.mode == "html" and site == front.domain)
    return _TEMPLATES.get_template("nginx.conf").render(
        mode=front.mode,
        edge="" if under else front.domain,
        site=site,
        prefix=front.prefix if under else "",
        under=under,
        pages_here=pages_here,
        visits=front.mode == "html",
        upstream=front.upstream,
        backend=front.backend,
        scripts=_SCRIPTS,
        slots=_SLOTS,
        forgiven=[" ".join(map(str, statuses)) for statuses in _FORGIVEN],
    )


def host(text: str) -> str:
    """A host as nginx compares it; raises ValueError with a sentence."""
    origin = origin_of(f"https://{text}")
    name = origin.removeprefix("https://")
    if ":" in name or "/" in text or "@" in text:
        raise ValueError("must be a host alone, such as edge.example.com")
    return name


def path(text: str) -> str:
    """A prefix without a slash at its end; raises ValueError with a sentence."""
    given = text.rstrip("/")
    if _PREFIX.fullmatch(given) is None:
        raise ValueError("must be a plain path, such as /edge")
    return given


def address(text: str) -> str:
    """Where somebody listens; raises ValueError with a sentence."""
    if _ADDRESS.fullmatch(text) is None:
        raise ValueError("must be a host and a port, such as 127.0.0.1:8000")
    return text


_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("edgeproxy.front"),
    autoescape=False,  # noqa: S701 - nginx's language has no such escapes; values are checked
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
