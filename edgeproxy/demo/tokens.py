"""The pixel's tokens at our Snap: the one in use can be revoked, as at the real one."""

from collections.abc import Callable

from edgeproxy.sandbox.state import Sandbox


class Tokens:
    """Which tokens our Snap takes.

    Args:
        sandbox: Our Snap; it takes the first token from now on, and no other.
        new_token: Draws a token.

    Attributes:
        latest: The newest one; it is always good.
    """

    def __init__(self, sandbox: Sandbox, new_token: Callable[[], str]) -> None:
        self._sandbox = sandbox
        self._new_token = new_token
        self.latest = new_token()
        self._issued = {self.latest}
        sandbox.tokens = frozenset(self._issued)

    @property
    def revoked(self) -> bool:
        """Whether tokens that were issued are no good now."""
        return self._sandbox.tokens != frozenset(self._issued)

    def revoke(self) -> None:
        """Issue a new token; those issued before are no good any more."""
        self.latest = self._new_token()
        self._issued.add(self.latest)
        self._sandbox.tokens = frozenset({self.latest})

    def restore(self) -> None:
        """Take every token again that was ever issued."""
        self._sandbox.tokens = frozenset(self._issued)
