"""The tag and its parts, from memory: `GET /s.js`, its twins, `/cmp.js` and `/layer.js`.

Nothing here depends on who asks, so a shared cache may hold every answer.
"""

from collections.abc import Callable
from functools import partial

from edgeproxy.web.asgi import Header, Receive, Scope, Send, answer, reply
from edgeproxy.web.assets import Asset

HOUR: Header = (b"cache-control", b"public, max-age=3600, stale-while-revalidate=86400")
FOREVER: Header = (b"cache-control", b"public, max-age=31536000, immutable")

ANYWHERE: Header = (b"access-control-allow-origin", b"*")
"""What is imported, or checked against `integrity`, is fetched with CORS; it holds nothing of a
visitor. Source: HTML, module scripts; Subresource Integrity."""


class TagFiles:
    """The served files by path, headers prepared.

    Args:
        read: Gives a file of `static/` by its name.
    """

    def __init__(self, read: Callable[[str], Asset]) -> None:
        tag = read("s.js")
        self.hashed_path = f"/s.{tag.hash}.js"
        fresh = partial(_serve, tag, _headers(tag, HOUR))
        self.handlers = {
            "/s.js": fresh,
            # The name of Snap's pixel: a site changes the host in Snap's snippet and nothing else.
            "/scevent.min.js": fresh,
            self.hashed_path: partial(_serve, tag, _headers(tag, FOREVER, ANYWHERE)),
        }
        for name in ("cmp.js", "layer.js"):
            part = read(name)
            self.handlers[f"/{name}"] = partial(_serve, part, _headers(part, HOUR, ANYWHERE))


def _headers(asset: Asset, *further: Header) -> list[Header]:
    return [
        (b"content-type", asset.content_type),
        (b"etag", asset.etag),
        (b"x-content-type-options", b"nosniff"),
        (b"cross-origin-resource-policy", b"cross-origin"),
        (b"vary", b"Accept-Encoding"),
        *further,
    ]


async def _serve(
    asset: Asset, headers: list[Header], scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer with the file, in a coding that the browser takes, or 304."""
    accepted = none_match = b""
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            accepted = value
        elif name == b"if-none-match":
            none_match = value
    if none_match and asset.etag in none_match:
        await answer(send, 304, headers)
        return
    coding, body = asset.choose(accepted)
    if coding:
        headers = [*headers, (b"content-encoding", coding)]
    if scope["method"] == "HEAD":
        headers = [*headers, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    await reply(scope, send, 200, headers, body)
