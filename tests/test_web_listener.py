"""Listening inside the caller's loop: where, for how long, and without taking over the process."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from typing import Any

import pytest

from edgeproxy.web.asgi import Receive, Scope, Send, answer
from edgeproxy.web.door import CONNECTIONS
from edgeproxy.web.guard import GuardedProtocol
from edgeproxy.web.listener import CONNECTIONS_LEAST, bind, listening
from tests.edge import ROOT
from tests.raw_http import DEADLINE_S, connected

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, 200, [], f"{scope['client'][0]} {scope['scheme']}".encode())


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


async def answered(port: int, host: str = "127.0.0.1", *lines: str) -> bytes:
    extra = "".join(f"{line}\r\n" for line in lines).encode()
    async with connected(port, host) as client:
        await client.write(REQUEST[:-2] + extra + b"\r\n")
        return (await client.reply()).body


async def test_it_listens_for_the_length_of_the_block() -> None:
    async with listening(app, bind("127.0.0.1", 0)) as listener:
        assert listener.url == f"http://127.0.0.1:{listener.port}"
        assert await answered(listener.port) == b"127.0.0.1 http"
    with pytest.raises(ConnectionRefusedError):
        await answered(listener.port)


async def test_an_ipv6_address_stands_in_brackets() -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    async with listening(app, bind("::1", 0)) as listener:
        assert listener.url == f"http://[::1]:{listener.port}"
        assert await answered(listener.port, "::1") == b"::1 http"


async def test_forwarded_headers_are_left_to_those_who_know_the_proxies() -> None:
    forged = ("X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "Forwarded: for=6.6.6.6")
    async with listening(app, bind("127.0.0.1", 0)) as listener:
        assert await answered(listener.port, "127.0.0.1", *forged) == b"127.0.0.1 http"


async def test_an_answer_does_not_say_which_server_gave_it() -> None:
    async with (
        listening(app, bind("127.0.0.1", 0)) as listener,
        connected(listener.port) as client,
    ):
        await client.write(REQUEST)
        assert "server" not in (await client.reply()).headers


async def test_the_guard_is_on_duty_unless_another_protocol_is_asked_for() -> None:
    async with (
        listening(app, bind("127.0.0.1", 0)) as listener,
        connected(listener.port) as client,
    ):
        await client.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await client.reply()).status == 400


async def test_stop_ends_it_while_the_block_goes_on() -> None:
    async with listening(app, bind("127.0.0.1", 0)) as listener:
        listener.stop()
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    await answered(listener.port)
                except (ConnectionError, asyncio.IncompleteReadError):
                    break


@pytest.mark.parametrize("said", [b"", b"GET / HT", REQUEST], ids=["silent", "half", "idle"])
async def test_an_open_connection_does_not_keep_it_from_stopping(said: bytes) -> None:
    async with asyncio.timeout(DEADLINE_S):
        async with listening(app, bind("127.0.0.1", 0)) as listener:
            reader, writer = await asyncio.open_connection(listener.host, listener.port)
            writer.write(said)
            if said == REQUEST:
                await reader.readuntil(b"127.0.0.1 http")
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


class Slow:
    """An application that answers when it is told to."""

    def __init__(self) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun.set()
        await self.go_on.wait()
        await answer(send, 200, [], b"done")


async def test_a_request_in_work_is_finished_before_it_stops() -> None:
    slow = Slow()
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        async with listening(slow, bind("127.0.0.1", 0)) as listener:
            asking = tasks.create_task(answered(listener.port))
            await slow.begun.wait()
            listener.stop()
            slow.go_on.set()
        assert await asking == b"done"


@pytest.mark.parametrize("how", ["error", "cancellation"])
async def test_a_request_in_work_is_finished_however_the_block_ends(how: str) -> None:
    slow = Slow()
    up: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def serve() -> None:
        with contextlib.suppress(LookupError):
            async with listening(slow, bind("127.0.0.1", 0)) as listener:
                up.set_result(listener.port)
                await slow.begun.wait()
                asyncio.get_running_loop().call_later(0.2, slow.go_on.set)
                if how == "error":
                    raise LookupError
                await asyncio.Event().wait()

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve())
        asking = tasks.create_task(answered(await up))
        await slow.begun.wait()
        if how == "cancellation":
            serving.cancel()
        assert await asking == b"done"


async def test_who_takes_too_long_is_found_by_the_patrol() -> None:
    class Late(GuardedProtocol):
        def overdue(self, now_s: float) -> bool:
            return now_s == pytest.approx(asyncio.get_running_loop().time(), abs=60)

    async with (
        listening(app, bind("127.0.0.1", 0), protocol=Late) as listener,
        connected(listener.port) as client,
    ):
        assert await client.rest() == b""


async def test_the_process_s_signal_handlers_stay_as_they_are() -> None:
    watched = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in watched]
    async with listening(app, bind("127.0.0.1", 0)):
        assert [signal.getsignal(number) for number in watched] == before
    assert [signal.getsignal(number) for number in watched] == before


async def test_an_error_of_the_block_comes_out_as_itself() -> None:
    """Whoever catches a ConfigError by its type must not find a group instead."""
    with pytest.raises(LookupError, match="mine"):
        async with listening(app, bind("127.0.0.1", 0)):
            raise LookupError("mine")


async def test_a_cancelled_block_stops_it_too() -> None:
    up: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def serve() -> None:
        async with listening(app, bind("127.0.0.1", 0)) as listener:
            up.set_result(listener.port)
            await asyncio.Event().wait()

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve())
        port = await up
        serving.cancel()
    with pytest.raises(ConnectionRefusedError):
        await answered(port)


async def test_a_server_that_cannot_start_is_an_error_and_no_hang() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(("127.0.0.1", 0))
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(ValueError, match="tream"):
                async with listening(app, datagrams):
                    pass


def test_a_taken_port_is_an_os_error_and_leaves_no_socket() -> None:
    with bind("127.0.0.1", 0) as first:
        port: int = first.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            bind("127.0.0.1", port)
    bind("127.0.0.1", port).close()


@pytest.mark.parametrize("host", ["203.0.113.7", "no address"])
def test_an_address_of_somebody_else_is_an_os_error(host: str) -> None:
    with pytest.raises(OSError, match=r".+"):
        bind(host, 0)


def test_a_free_port_is_found_and_taken_over_from_a_server_that_just_ended() -> None:
    with bind("127.0.0.1", 0) as bound:
        address: Any = bound.getsockname()
        assert address[1] > 0
        assert bound.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert not bound.getblocking()


@pytest.mark.parametrize(
    ("limits", "descriptors", "connections"),
    [
        ("-n 64", 64, 16),
        ("-n 40", 40, CONNECTIONS_LEAST),
        ("-Sn 64 && ulimit -Hn 500", 500, 452),
        ("-Sn 64 && ulimit -Hn 4096", 4096, CONNECTIONS),
    ],
)
def test_it_takes_the_descriptors_it_may_and_keeps_some_for_work(
    limits: str, descriptors: int, connections: int
) -> None:
    told = (
        "from edgeproxy.web.listener import connections_max, take_descriptors;"
        "print(take_descriptors(), connections_max())"
    )
    command = ["sh", "-c", f'ulimit {limits} && exec "$@"', "sh", sys.executable, "-c", told]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(descriptors), str(connections)]
