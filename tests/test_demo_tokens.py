"""The pixel's tokens at our Snap."""

from itertools import count

from edgeproxy.demo.tokens import Tokens
from edgeproxy.sandbox.state import Sandbox


def made() -> tuple[Sandbox, Tokens]:
    sandbox, number = Sandbox(now_ms=lambda: 0), count(1)
    return sandbox, Tokens(sandbox, lambda: f"token-{next(number)}")


def test_at_first_the_one_token_is_good() -> None:
    sandbox, tokens = made()
    assert (sandbox.tokens, tokens.latest, tokens.revoked) == (
        frozenset({"token-1"}),
        "token-1",
        False,
    )


def test_only_the_newest_is_good_after_a_revocation() -> None:
    sandbox, tokens = made()
    tokens.revoke()
    tokens.revoke()
    assert (sandbox.tokens, tokens.latest, tokens.revoked) == (
        frozenset({"token-3"}),
        "token-3",
        True,
    )


def test_all_are_good_again_when_mended() -> None:
    sandbox, tokens = made()
    tokens.revoke()
    tokens.restore()
    assert (sandbox.tokens, tokens.revoked) == (frozenset({"token-1", "token-2"}), False)
