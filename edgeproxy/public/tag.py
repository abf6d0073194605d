"""`GET /s.js` and its twin with the hash in the name: the tag, from memory."""

from edgeproxy.web.asgi import Header, Scope, Send, answer, reply
from edgeproxy.web.assets import Asset


class TagFile:
    """The tag under its two names, headers prepared."""

    def __init__(self, asset: Asset) -> None:
        self.asset = asset
        common: list[Header] = [
            (b"content-type", asset.content_type),
            (b"etag", asset.etag),
            (b"x-content-type-options", b"nosniff"),
            (b"cross-origin-resource-policy", b"cross-origin"),
            (b"vary", b"Accept-Encoding"),
        ]
        hour = (b"cache-control", b"public, max-age=3600, stale-while-revalidate=86400")
        forever = (b"cache-control", b"public, max-age=31536000, immutable")
        self._fresh = [*common, hour]
        # Integrity is checked on CORS answers only; the file holds nothing of a visitor.
        self._fixed = [*common, forever, (b"access-control-allow-origin", b"*")]

    @property
    def hashed_path(self) -> str:
        """The path whose content never changes."""
        return f"/s.{self.asset.hash}.js"

    async def __call__(self, scope: Scope, send: Send, *, immutable: bool) -> None:
        """Answer with the file, in a coding that the browser takes, or 304."""
        accepted = none_match = b""
        for name, value in scope["headers"]:
            if name == b"accept-encoding":
                accepted = value
            elif name == b"if-none-match":
                none_match = value
        headers = self._fixed if immutable else self._fresh
        if none_match and self.asset.etag in none_match:
            await answer(send, 304, headers)
            return
        coding, body = self.asset.choose(accepted)
        if coding:
            headers = [*headers, (b"content-encoding", coding)]
        if scope["method"] == "HEAD":
            headers = [*headers, (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        await reply(scope, send, 200, headers, body)
