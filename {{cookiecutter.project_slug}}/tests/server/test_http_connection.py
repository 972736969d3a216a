import asyncio
import logging
import math
from collections.abc import Iterator
from typing import cast

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from app.server import capacity, http_connection
from app.server.http_connection import LINGER_SECONDS, HttpConnection
from app.server.http_protocol import MIN_BODY_BYTES
from app.server.websocket_protocol import WebSocketProtocol
from app.settings import get_settings
from tests.server.manual_connection import Connection, ManualLoop, ManualTransport
from tests.server.raw_http import Application, Server, request, statuses
from tests.waiting import limited

GET = request("GET /early", close=False)
HOLD = request("GET /hold", close=False)
POST = request("POST /echo", "Content-Length: 1000000", close=False)
EARLY_POST = request("POST /early", "Content-Length: 1000000", close=False)


@pytest.fixture
def application() -> Iterator[Application]:
    application = Application()
    yield application
    application.release.set()


@pytest.fixture
async def connection(application: Application, issuer: None) -> Connection:
    return Connection(application, ServerState(), ManualLoop())


@pytest.fixture
def timeout(issuer: None) -> int:
    return get_settings().stuck_peer_seconds


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"GET /echo HTTP/1.1\r\nHost", [408], id="half a head"),
        pytest.param(b"\r\n", [408], id="a blank line"),
        pytest.param(POST, [408], id="no body"),
        pytest.param(POST + b" ", [408], id="half a body"),
    ],
)
async def test_connection_whose_client_does_not_send_on_closed(
    sent: bytes, expected: list[int], connection: Connection, timeout: int
) -> None:
    if sent:
        await connection.send(sent)
    connection.loop.advance(timeout * 0.99)
    assert connection.transport.written == b""
    assert not connection.transport.closed

    connection.loop.advance(timeout * 0.01)
    connection.loop.advance(LINGER_SECONDS)
    assert statuses(connection.transport.written) == expected
    assert connection.transport.closed


@pytest.mark.parametrize("sent", [GET, GET + b"GET", EARLY_POST, EARLY_POST + b" "])
async def test_connection_closed_if_nothing_follows_the_response(
    sent: bytes, connection: Connection, timeout: int
) -> None:
    await connection.send(sent)
    connection.loop.advance(timeout)

    assert statuses(connection.transport.written) == [200]
    assert connection.transport.closed


async def test_connection_is_kept_if_a_body_is_complete_after_its_response(
    connection: Connection,
) -> None:
    await connection.send(request("POST /early", "Content-Length: 4", close=False))
    await connection.send(b"body")
    await connection.send(GET)

    assert statuses(connection.transport.written) == [200, 200]


@pytest.mark.parametrize("begin", [b"GET /echo HTTP/1.1\r\na: ", POST, EARLY_POST])
async def test_client_that_sends_byte_by_byte_is_disconnected(
    begin: bytes, connection: Connection, timeout: int
) -> None:
    await connection.send(begin)
    for _ in range(10):
        connection.loop.advance(timeout / 8)
        await connection.send(b" ")

    assert connection.transport.closed


async def test_client_that_sends_a_body_steadily_is_served(
    connection: Connection, timeout: int
) -> None:
    await connection.send(request("POST /echo", f"Content-Length: {9 * MIN_BODY_BYTES}"))
    for _ in range(9):
        connection.loop.advance(timeout * 0.9)
        await connection.send(b" " * MIN_BODY_BYTES)

    assert statuses(connection.transport.written) == [200]


async def test_client_need_not_send_while_the_application_does_not_read(
    connection: Connection, timeout: int
) -> None:
    await connection.send(request("POST /hold", "Content-Length: 1000000") + b" " * 100_000)
    assert not connection.transport.reading
    connection.loop.advance(timeout * 10)

    assert connection.transport.written == b""
    assert not connection.transport.closed


async def test_client_need_not_send_while_it_waits_for_a_response(
    connection: Connection, application: Application, timeout: int
) -> None:
    await connection.send(HOLD)
    connection.loop.advance(timeout * 10)
    application.release.set()
    await connection.send(GET)

    assert statuses(connection.transport.written) == [200, 200]


async def test_half_a_head_behind_a_pending_request_does_not_lose_its_response(
    connection: Connection, application: Application, timeout: int
) -> None:
    await connection.send(HOLD)
    await connection.send(b"GET")
    connection.loop.advance(timeout)
    application.release.set()
    await connection.send(b" ")

    assert statuses(connection.transport.written) == [200]
    assert connection.transport.closed


async def test_refused_client_receives_the_response_before_the_connection_closed(
    connection: Connection,
) -> None:
    await connection.send(b"nonsense\r\n\r\n")
    await connection.send(GET)  # discarded
    assert statuses(connection.transport.written) == [400]
    assert connection.transport.eof_written
    assert not connection.transport.closed  # unread data would reset the connection

    connection.loop.advance(LINGER_SECONDS)
    assert connection.transport.closed


async def test_refused_body_ends_the_request_of_the_application(issuer: None) -> None:
    received: asyncio.Queue[str] = asyncio.Queue()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        received.put_nowait((await receive())["type"])

    connection = Connection(application, ServerState(), ManualLoop())
    await connection.send(request("POST /", "Transfer-Encoding: chunked", close=False) + b"x\r\n")

    assert await received.get() == "http.disconnect"
    assert statuses(connection.transport.written) == [400]


async def test_request_learns_that_its_client_has_left_although_another_is_queued(
    issuer: None,
) -> None:
    received: asyncio.Queue[str] = asyncio.Queue()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # the body
        received.put_nowait((await receive())["type"])

    connection = Connection(application, ServerState(), ManualLoop())
    await connection.send(GET + GET)
    connection.protocol.connection_lost(None)

    async with limited():
        assert await received.get() == "http.disconnect"


async def test_lost_connection_has_no_timer(connection: Connection, timeout: int) -> None:
    connection.protocol.connection_lost(None)
    connection.transport.closed = False
    connection.loop.advance(timeout * 2)

    assert not connection.transport.closed


@pytest.fixture
def limit(issuer: None, monkeypatch: pytest.MonkeyPatch) -> int:
    """Limit the connections to three."""
    others = get_settings().ws_max_sockets
    monkeypatch.setattr(capacity, "MAX_REQUEST_CONNECTIONS", 3 - others)
    monkeypatch.setattr(HttpConnection, "last_warning", -math.inf)
    return 3


async def test_idle_clients_do_not_shut_out_others(
    limit: int, application: Application, caplog: pytest.LogCaptureFixture
) -> None:
    state, loop = ServerState(), ManualLoop()
    busy = Connection(application, state, loop)
    await busy.send(HOLD)
    idle = []
    for _ in range(10):
        idle.append(Connection(application, state, loop))
        loop.advance(0.1)
    client = Connection(application, state, loop)
    await client.send(GET)

    assert statuses(client.transport.written) == [200]
    assert not busy.transport.closed
    assert [connection.transport.closed for connection in idle] == [True] * 9 + [False]
    assert len(state.connections) == limit
    (record,) = caplog.records  # not one for each connection
    assert record.getMessage().startswith("3 connections are the limit")
    assert record.levelno == logging.WARNING


async def test_client_is_refused_if_all_connections_are_in_use(
    limit: int, application: Application
) -> None:
    state, loop = ServerState(), ManualLoop()
    for _ in range(limit):
        await Connection(application, state, loop).send(HOLD)
    client = Connection(application, state, loop)

    assert statuses(client.transport.written) == [503]
    assert client.transport.closed


async def test_sockets_that_are_being_closed_do_not_shut_out_others(
    limit: int, application: Application
) -> None:
    state, loop = ServerState(), ManualLoop()
    config = uvicorn.Config(application, log_config=None)
    sockets = [ManualTransport() for _ in range(limit)]
    for transport in sockets:
        protocol = WebSocketProtocol(config, state, {}, cast(asyncio.AbstractEventLoop, loop))
        protocol.connection_made(transport)
    protocol.abort_later()  # after a close frame
    client = Connection(application, state, loop)
    await client.send(GET)

    assert statuses(client.transport.written) == [200]
    assert [transport.closed for transport in sockets] == [False, False, True]


async def test_server_closes_idle_connections(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = get_settings().model_copy(update={"stuck_peer_seconds": 0.1})
    monkeypatch.setattr(http_connection, "get_settings", lambda: settings)

    assert await server.exchange() == b""
