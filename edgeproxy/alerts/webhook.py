"""Tells people by a webhook that takes `{"text": …}`: Slack's, and those that understand the same.

The URL is a secret: whoever has it can write into the channel. It stands in no log line, no error
and no answer of ours.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from edgeproxy.alerts.book import Notice
from edgeproxy.alerts.rules import RULES
from edgeproxy.outbound import Answer, Outbound
from edgeproxy.sites import Secret

TEXT_MAX_CHARS = 3000

TEST = "edgeproxy: this is a test. Alerts will look like this one."

_TITLES = {rule.name: rule.title for rule in RULES}
_MARKS = {"raised": "🔴", "still": "🟠", "cleared": "🟢"}
_ENDS = {"raised": "", "still": " (still)", "cleared": " – over"}


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """How telling went. `status` is None without an HTTP answer."""

    ok: bool
    status: int | None
    latency_ms: int
    message: str


class Webhook:
    """One webhook.

    Args:
        url: https, or http on this machine; checked by the configuration.
        outbound: The client; stays the caller's.
    """

    def __init__(self, url: Secret, outbound: Outbound) -> None:
        self._url = url
        self._outbound = outbound

    @property
    def shown(self) -> str:
        """Where it leads, without what makes it secret."""
        parts = urlsplit(self._url.reveal())
        return f"{parts.scheme}://{parts.hostname}/••••"

    async def tell(self, text: str) -> Told:
        """Send one message; what goes wrong is a value."""
        answer = await self._outbound.request(
            "POST",
            self._url.reveal(),
            headers={"Content-Type": "application/json"},
            body=msgspec.json.encode({"text": text[:TEXT_MAX_CHARS]}),
        )
        ok = answer.status is not None and 200 <= answer.status < 300
        return Told(
            ok=ok,
            status=answer.status,
            latency_ms=round(answer.latency_ms),
            message="the webhook took it" if ok else _cause(answer),
        )


def message(notices: Sequence[Notice]) -> str:
    """One text for all of them, a line each."""
    return "\n".join(
        f"{_MARKS[one.kind]} *{_TITLES.get(one.rule, one.rule)}{_ENDS[one.kind]}*"
        f" · {_plain(one.subject)}: {_plain(one.text)}"
        for one in notices
    )


def _plain(text: str) -> str:
    """Without what Slack reads as a command: Snap's words come from outside.

    Source: Slack, Formatting text for app surfaces, "Escaping text".
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_FAULTS = {
    "timeout": "no answer within the time limit",
    "refused": "nobody listens at the webhook's address",
    "tls": "the certificate of the webhook's host does not verify",
    "dns": "the webhook's host name cannot be resolved",
    "reset": "the connection broke before an answer",
}

_STATUSES = {
    400: "the webhook does not understand the message; is it Slack-compatible?",
    401: "the webhook's URL is not valid any more; make a new one",
    403: "the webhook's URL is not valid any more; make a new one",
    404: "there is no such webhook; was it removed?",
    410: "the webhook's channel is gone; make a new one",
    429: "the webhook is called too often; it is tried again in a minute",
}


def _cause(answer: Answer) -> str:
    """What went wrong, in plain words; nothing of the URL or of the answer's body."""
    if answer.status is None:
        return _FAULTS.get(answer.fault, "the answer was no HTTP")
    if 300 <= answer.status < 400:
        return f"the webhook answered {answer.status}; redirects are not followed"
    return _STATUSES.get(answer.status, f"the webhook answered {answer.status}")
