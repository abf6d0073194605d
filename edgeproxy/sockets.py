"""The listening sockets of a process, and a clear word when one cannot be had."""

import contextlib
import socket
from collections.abc import Iterator

from edgeproxy.errors import ConfigError
from edgeproxy.settings import Settings
from edgeproxy.web.listener import bind, url_of


def listening_socket(settings: Settings) -> socket.socket:
    """The socket of the public listener.

    Raises:
        ConfigError: The address cannot be had.
    """
    return _bound(settings.host, settings.port, "server.port")


def admin_socket(settings: Settings) -> socket.socket | None:
    """The socket of the admin listener; None for a process that only takes events in.

    Raises:
        ConfigError: The address cannot be had.
    """
    if settings.role == "ingest":
        return None
    return _bound(settings.admin_host, settings.admin_port, "server.admin_port")


def _bound(host: str, port: int, setting: str) -> socket.socket:
    try:
        return bind(host, port)
    except OSError as error:
        fault = f"cannot listen on {host}:{port}: {error.strerror or error}; choose another port"
        raise ConfigError([(setting, fault)]) from None


@contextlib.contextmanager
def admin_door(settings: Settings, given: socket.socket | None) -> Iterator[socket.socket | None]:
    """The socket of the admin listener for the length of the block: the given one, or a new one."""
    sock = given or admin_socket(settings)
    with contextlib.closing(sock) if sock is not None else contextlib.nullcontext():
        yield sock


def admin_url(sock: socket.socket | None) -> str:
    """Where the admin listener is; "" for nowhere."""
    return "" if sock is None else url_of(*sock.getsockname()[:2])
