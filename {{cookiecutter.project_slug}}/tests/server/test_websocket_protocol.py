"""Raw peers, which follow the protocol only as far as they want, on a real server."""

import asyncio
import gc
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from httpx_ws import AsyncWebSocketSession, aconnect_ws

from app.server import websocket_protocol
from app.server.websocket_protocol import BURST_SECONDS, READ_BYTES, WebSocketProtocol
from app.settings import get_settings
from tests.clients import live_server, network_client
from tests.waiting import limited, wait_until

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, MASKED = 0x80, 0x80
FRAMES = 1000
FAST = 1_000_000  # frames per second: no limit for these tests
BUFFER_BYTES = 8192

HANDSHAKE = (
    "GET {target} HTTP/1.1\r\nHost: service\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
)


def frame(opcode: int, payload: bytes = b"", flags: int = FIN) -> bytes:
    """Encode a frame; its masking key is zero, which leaves the payload as it is."""
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", flags | opcode, MASKED | length)
    else:
        head = struct.pack("!BBQ", flags | opcode, MASKED | 127, length)
    return head + bytes(4) + payload


class Peer:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def read_frame(self) -> tuple[int, bytes]:
        opcode, length = await self.reader.readexactly(2)
        if length == 126:
            (length,) = struct.unpack("!H", await self.reader.readexactly(2))
        return opcode & 0x0F, await self.reader.readexactly(length)

    async def close_code(self) -> int:
        """Read the last frames; return the close code after the end of the connection."""
        opcode = None
        while opcode != CLOSE:
            opcode, payload = await self.read_frame()
        assert await self.reader.read() == b""
        (code,) = struct.unpack("!H", payload[:2])
        return int(code)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


@asynccontextmanager
async def connect(
    address: str, target: str = "/ws/echo", headers: str = "", buffer_bytes: int = 0
) -> AsyncIterator[tuple[Peer, int]]:
    """Send a handshake; yield the peer and the status of the response."""
    url = httpx.URL(address)
    connection = socket.socket()
    if buffer_bytes:
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            connection.setsockopt(socket.SOL_SOCKET, option, buffer_bytes)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (url.host, url.port))
    peer = Peer(*await asyncio.open_connection(sock=connection))
    try:
        await peer.send(HANDSHAKE.format(target=target, headers=headers).encode())
        head = await peer.reader.readuntil(b"\r\n\r\n")
        yield peer, int(head.split()[1])
    finally:
        peer.writer.transport.abort()


@pytest.fixture
def set_rate(monkeypatch: pytest.MonkeyPatch, fresh_settings: None) -> Callable[[int], None]:
    def set_rate(rate: int) -> None:
        monkeypatch.setenv("WS_FRAMES_PER_SECOND", str(rate))
        get_settings.cache_clear()

    return set_rate


@pytest_asyncio.fixture
async def others(live_server: str) -> AsyncIterator[Callable[[], Awaitable[httpx.Response]]]:
    """A request of another client."""
    async with network_client(live_server) as client:
        yield lambda: client.get("/health/live")


def open_protocol() -> WebSocketProtocol:
    """Return the server's end of the only connection."""
    objects = gc.get_objects()
    protocols = [found for found in objects if isinstance(found, WebSocketProtocol)]
    (protocol,) = (found for found in protocols if not found.disconnected)
    return protocol


async def protocol_with_unread_data() -> WebSocketProtocol:
    protocol = open_protocol()
    await wait_until(lambda: protocol.unread)
    return protocol


FLOODS = {
    "pings": frame(PING),
    "pongs": frame(PONG),
    "texts": frame(TEXT),
    "fragments": frame(TEXT, flags=0) + frame(CONTINUATION),
}


@pytest.mark.parametrize(
    ("path", "kind"), [*(("/ws/echo", kind) for kind in FLOODS), ("/ws/json", "pings")]
)
async def test_frames_of_every_kind_are_read_at_the_rate(
    path: str,
    kind: str,
    set_rate: Callable[[int], None],
    live_server: str,
    others: Callable[[], Awaitable[httpx.Response]],
) -> None:
    set_rate(10)
    loop = asyncio.get_running_loop()
    async with connect(live_server, path) as (peer, _):
        started = loop.time()
        await peer.send(FLOODS[kind] * FRAMES)
        protocol = await protocol_with_unread_data()
        for _ in range(3):
            assert (await others()).is_success
        seconds = loop.time() - started
        parsed = FRAMES - len(protocol.unread) // len(FLOODS[kind])

        assert parsed <= (BURST_SECONDS + seconds) * 10 + READ_BYTES / len(frame(PING))
        protocol.transport.abort()  # it would notice the end of the peer after the rest


@pytest.mark.parametrize("kind", FLOODS)
async def test_frames_below_the_rate_are_read_at_once(
    kind: str, set_rate: Callable[[int], None], live_server: str
) -> None:
    set_rate(FAST)
    async with connect(live_server) as (peer, _):
        await peer.send(FLOODS[kind] * FRAMES + frame(TEXT, b"end"))
        async with limited():
            while await peer.read_frame() != (TEXT, b"Echo: end"):
                pass


async def test_reading_goes_on_when_the_rate_allows_it(
    set_rate: Callable[[int], None], live_server: str
) -> None:
    set_rate(FRAMES)
    async with connect(live_server) as (peer, _):
        started = asyncio.get_running_loop().time()
        await peer.send(frame(PING) * FRAMES * 2 + frame(TEXT) * 200)
        for _ in range(FRAMES * 2):
            assert await peer.read_frame() == (PONG, b"")
        for _ in range(200):
            assert await peer.read_frame() == (TEXT, b"Echo: ")

        assert asyncio.get_running_loop().time() - started >= 0.1


async def test_fragments_of_a_message_are_joined_as_they_arrive(
    set_rate: Callable[[int], None], live_server: str
) -> None:
    set_rate(FAST)
    async with connect(live_server) as (peer, _):
        fragments = frame(TEXT, b"a", flags=0) + frame(CONTINUATION, b"b", flags=0) * FRAMES
        await peer.send(fragments + frame(PING))
        assert await peer.read_frame() == (PONG, b"")
        assert open_protocol().frames == [b"a" + b"b" * FRAMES]

        await peer.send(frame(CONTINUATION, b"c"))
        opcode, payload = await peer.read_frame()
    assert (opcode, payload) == (TEXT, b"Echo: a" + b"b" * FRAMES + b"c")


@pytest_asyncio.fixture
async def small_buffers(app: FastAPI) -> AsyncIterator[str]:
    """A server whose kernel buffers are soon full."""
    with socket.socket() as listener:
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            listener.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        listener.bind(("127.0.0.1", 0))
        async with live_server(app, listener) as address:
            yield address


async def send_until_blocked(
    peer: Peer, data: bytes, others: Callable[[], Awaitable[object]], max_bytes: int
) -> int:
    """Send until the service no longer reads; return the number of bytes."""
    sent = 0
    writer = peer.writer
    while not writer.transport.get_write_buffer_size():
        assert sent <= max_bytes
        writer.write(data)
        sent += len(data)
        for _ in range(3):  # the service has had the time to read
            await others()
    return sent


@pytest.mark.parametrize("data", [frame(PING, bytes(125)) * 500, frame(TEXT, bytes(60_000))])
async def test_peer_that_does_not_read_is_not_read_either(
    data: bytes,
    set_rate: Callable[[int], None],
    small_buffers: str,
) -> None:
    set_rate(FAST)
    async with (
        network_client(small_buffers) as client,
        connect(small_buffers, buffer_bytes=BUFFER_BYTES) as (peer, _),
    ):
        sent = await send_until_blocked(
            peer, data, lambda: client.get("/health/live"), max_bytes=2_000_000
        )
        await peer.send(frame(TEXT, b"end"))
        async with limited():
            while await peer.read_frame() != (TEXT, b"Echo: end"):
                pass
    assert sent


@pytest.fixture
def _short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_protocol, "CLOSE_SECONDS", 0.05)


@pytest.mark.usefixtures("_short_timeouts")
async def test_peer_that_does_not_answer_a_close_frame_is_aborted(live_server: str) -> None:
    async with connect(live_server) as (peer, _):
        await peer.send(frame(BINARY))

        assert await peer.close_code() == 1003


async def test_peer_that_answers_a_close_frame_is_not_kept_waiting(
    live_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_protocol, "CLOSE_SECONDS", 3600)
    async with connect(live_server) as (peer, _):
        await peer.send(frame(BINARY))
        opcode, code = await peer.read_frame()
        assert (opcode, code) == (CLOSE, struct.pack("!H", 1003))
        await peer.send(frame(CLOSE, code))

        assert await peer.reader.read() == b""


async def test_frame_above_the_maximum_is_read_to_its_end(live_server: str) -> None:
    async with connect(live_server) as (peer, _):
        await peer.send(frame(TEXT, bytes(8_000_000)))  # raises if the connection is reset
        peer.writer.write_eof()

        assert await peer.close_code() == 1009


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"\xff") + frame(TEXT, b"x"), 1007),
        (frame(TEXT, b"\xff") + frame(CLOSE, struct.pack("!H", 1000)), 1000),
        (frame(TEXT, flags=0xF0), 1002),
        (frame(CONTINUATION), 1002),
    ],
)
@pytest.mark.usefixtures("_short_timeouts")
async def test_peer_that_stays_after_an_invalid_frame_is_aborted(
    bad: bytes, code: int, live_server: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(live_server) as (peer, _):
        await peer.send(bad + frame(PING) * 10)

        assert await peer.close_code() == code
    assert [record for record in caplog.records if record.name == "asyncio"] == []


@pytest.mark.usefixtures("_short_timeouts")
async def test_peer_too_far_above_the_rate_for_a_pong_is_closed_with_4429(
    live_server: str, set_rate: Callable[[int], None]
) -> None:
    set_rate(1)
    async with connect(live_server) as (peer, _):
        await peer.send(frame(PONG) * FRAMES)
        protocol = await protocol_with_unread_data()
        protocol.send_keepalive_ping()
        protocol.keepalive_timeout()

        assert await peer.close_code() == 4429


@pytest.mark.usefixtures("_short_timeouts")
async def test_peer_that_does_not_send_a_pong_is_closed_with_1011(live_server: str) -> None:
    async with connect(live_server) as (peer, _):
        protocol = open_protocol()
        protocol.send_keepalive_ping()
        protocol.keepalive_timeout()

        assert await peer.close_code() == 1011
        protocol.keepalive_timeout()  # has no effect


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/ws/echo", "Authorization: Bearer " + "a" * 15_000, 101),
        ("/ws/echo?" + "a" * 15_000, "X-A: a", 101),
        ("/ws/echo", "Content-Length: 0", 101),
        ("/ws/echo", "\r\n".join(f"X-{number}: a" for number in range(100)), 101),
        ("/ws/echo", "Authorization: Bearer " + "a" * 17_000, 431),
        ("/ws/echo", "\r\n".join(f"X-{number}: {'a' * 1000}" for number in range(20)), 431),
        ("/ws/echo", "\r\n".join(f"X-{number}: a" for number in range(130)), 431),
        ("/ws/echo?" + "a" * 17_000, "X-A: a", 414),
        ("/ws/echo", "Content-Length: 5", 400),
    ],
)
async def test_handshake_is_accepted_or_refused_at_once(
    target: str, headers: str, status: int, live_server: str
) -> None:
    async with connect(live_server, target, f"{headers}\r\n") as (peer, received):
        body = b"" if status == 101 else await peer.reader.read()  # until the end

    assert received == status
    assert bool(body) is (status != 101)


async def test_frame_that_arrives_before_a_scheduled_turn_is_read_in_it(live_server: str) -> None:
    async with connect(live_server) as (peer, _):
        protocol = open_protocol()
        protocol.read_soon()
        protocol.data_received(frame(TEXT, b"hello"))

        assert protocol.unread
        assert await peer.read_frame() == (TEXT, b"Echo: hello")


async def test_sockets_are_not_compressed_even_if_the_client_offers_it(live_server: str) -> None:
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    opened: AsyncWebSocketSession
    async with aconnect_ws(f"{live_server}/ws/echo", headers=offer) as opened:
        assert opened.response
        assert "sec-websocket-extensions" not in opened.response.headers
