"""Bearer tokens: whose one is, of the configuration or of the store.

A token is compared by its SHA-256 and never kept.
"""

import hmac

from edgeproxy.admin.state import AdminState
from edgeproxy.admin.tokens import id_in, read_token
from edgeproxy.errors import Refused
from edgeproxy.keys import token_digest
from edgeproxy.web.endpoint import Who

OWN = "configuration"
"""The id of the token that the configuration or the first start gave."""

OWN_NAME = "admin token"
STRONG_CHARS = 24
"""A configured token with fewer could be guessed."""


async def token_bearer(state: AdminState, text: str, address: str) -> Who:
    """Who has this token.

    Raises:
        Refused: 401, it is none; 429, the address was wrong too often.
    """
    who, strong = await _known(state, text)
    if who is not None and strong:
        return who  # nobody else's guesses keep its owner out
    if wait_s := state.throttle.wait_s(address):
        raise Refused(
            "too_many_tries", "too many wrong tokens; wait", status=429, retry_after_s=wait_s
        )
    if who is None:
        state.throttle.failed(address)
        raise unauthorized()
    return who


def unauthorized() -> Refused:
    """The one answer to every caller that is not known, whatever the reason."""
    return Refused(
        "unauthorized",
        "this needs Authorization: Bearer and a valid admin token, or a login at /login",
        status=401,
    )


async def _known(state: AdminState, text: str) -> tuple[Who | None, bool]:
    """Who it is, and whether the token is too long to be guessed."""
    digest = token_digest(text)
    if hmac.compare_digest(digest, state.token_digest):
        return Who(name=OWN_NAME, role="admin", via="token", token_id=OWN), state.token_strong
    if (id := id_in(text)) is None:
        return None, False
    token = await read_token(state.office, id)
    if token is None or not hmac.compare_digest(digest, token.digest):
        return None, False
    return Who(name=token.name, role=token.role, via="token", token_id=id), True
