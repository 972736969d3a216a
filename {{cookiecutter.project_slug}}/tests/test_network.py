"""No test reaches another machine, whichever client it uses."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial

import httpx
import pytest

from tests import clients, network
from tests.mistakes import MistakeError

ADDRESS = ("192.0.2.1", 9)  # no machine has it (RFC 5737)
NAME = "machine.invalid"


def connect() -> None:
    with socket.socket() as client:
        client.connect_ex(ADDRESS)


def send() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendto(b"", ADDRESS)


@pytest.mark.parametrize(
    "reach",
    [
        connect,
        send,
        partial(socket.create_connection, ADDRESS),
        partial(socket.getaddrinfo, NAME, 80),
        partial(socket.gethostbyname, NAME),
        partial(httpx.get, f"http://{ADDRESS[0]}"),
        partial(httpx.get, f"http://{NAME}"),
    ],
    ids=["connect_ex", "sendto", "connection", "getaddrinfo", "gethostbyname", "httpx", "name"],
)
def test_another_machine_is_refused(reach: Callable[[], object]) -> None:
    with pytest.raises(MistakeError, match=f"must not reach ({ADDRESS[0]}|{NAME})"):
        reach()


async def get(url: str) -> None:
    async with httpx.AsyncClient() as client:
        await client.get(url)


@pytest.mark.parametrize("host", [ADDRESS[0], NAME])
@pytest.mark.parametrize(
    "reach",
    [lambda host: asyncio.open_connection(host, 9), lambda host: get(f"http://{host}")],
    ids=["asyncio", "httpx"],
)
async def test_another_machine_is_refused_in_the_event_loop(
    host: str, reach: Callable[[str], Awaitable[object]]
) -> None:
    async def reach_host() -> None:
        try:
            await reach(host)
        except (MistakeError, ExceptionGroup) as error:
            raise clients.unwrap(error) from None

    with pytest.raises(MistakeError, match=f"must not reach {host}"):
        await reach_host()


@pytest.mark.parametrize(
    ("event", "arguments", "is_allowed"),
    [
        ("socket.connect", (None, ("127.0.0.1", 80)), True),
        ("socket.connect", (None, ("::1", 80, 0, 0)), True),
        ("socket.connect", (None, "/run/server.sock"), True),
        ("socket.connect", (None, ("127.0.0.1.example.com", 80)), False),
        ("socket.bind", (None, ADDRESS), True),
        ("socket.getaddrinfo", ("localhost", 80), True),
        ("socket.getaddrinfo", (None, 80), True),
        ("socket.getaddrinfo", (b"localhost", 80), True),
        ("socket.getaddrinfo", (NAME, 80), False),
    ],
)
def test_this_machine_is_allowed(
    event: str, arguments: tuple[object, ...], is_allowed: bool
) -> None:
    if is_allowed:
        network.refuse_other_machines(event, arguments)
    else:
        with pytest.raises(MistakeError):
            network.refuse_other_machines(event, arguments)


def test_configured_server_is_allowed_with_its_addresses() -> None:
    assert network.hosts_of("postgresql://user@localhost:5432/x") >= {"localhost", "127.0.0.1"}
    assert network.hosts_of("postgresql:///x?host=/run") == set()
    assert network.hosts_of("http://[") == set()
