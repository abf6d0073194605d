"""Who may be connected: how many in all, how many from one address, and for how long in silence.

A proxy of ours in front carries everybody's connections, so it is not counted as one address; it
also keeps idle connections longer than a stranger may.
"""

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from edgeproxy.addresses import canonical, network_of

CONNECTIONS = 2000
CONNECTIONS_EACH = 50
"""Of one IPv4 address or one IPv6 network of 64 bits that is no proxy of ours."""

IDLE_S = 90.0
"""Behind a proxy. uvicorn ends an idle connection sooner, but forgets one whose body came after the
answer."""

IDLE_DIRECT_S = 15.0


class Caller(Protocol):
    """A connection."""

    def hang_up(self) -> None:
        """Close it without an answer."""
        ...


class Door:
    """The connections of one listener.

    When it is full, the one that has been silent longest makes room: whoever opens connections and
    says nothing must not keep others out until the deadline for headers ends them. If all have
    spoken, the newcomer has to go.

    Args:
        proxies: Whether an address is one of our proxies; by default all are.
        most: Connections in all.
        most_each: Connections of one address or network.
    """

    def __init__(
        self,
        proxies: Callable[[str], bool] = lambda address: True,
        *,
        most: int = CONNECTIONS,
        most_each: int = CONNECTIONS_EACH,
    ) -> None:
        self._proxies = proxies
        self._most = most
        self._most_each = most_each
        self._inside = 0
        self._silent: dict[Caller, None] = {}
        self._each: Counter[str] = Counter()

    def enter(self, caller: Caller, address: str) -> float:
        """Take a connection in, or hang up on one.

        Args:
            caller: The connection; `leave` must follow, also when it was hung up on.
            address: The peer's, "" when it has none.

        Returns:
            How long it may be idle between two requests, in seconds.
        """
        self._inside += 1
        self._silent[caller] = None
        if self._inside > self._most:
            silent = next(iter(self._silent))
            del self._silent[silent]
            silent.hang_up()
        if self._proxies(address):
            return IDLE_S
        network = network_of(canonical(address))
        self._each[network] += 1
        if self._each[network] > self._most_each:
            caller.hang_up()
        return IDLE_DIRECT_S

    def heard(self, caller: Caller) -> None:
        """The caller has sent the header of a request."""
        self._silent.pop(caller, None)

    def leave(self, caller: Caller, address: str) -> None:
        """The connection is over."""
        self._inside -= 1
        self._silent.pop(caller, None)
        if self._proxies(address):
            return
        network = network_of(canonical(address))
        self._each[network] -= 1
        if not self._each[network]:
            del self._each[network]
