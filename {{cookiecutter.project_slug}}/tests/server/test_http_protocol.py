import httptools
import pytest

from app.server.http_protocol import (
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_PIPELINED_REQUESTS,
    PipelineFlowControl,
)
from tests.server.manual_connection import ManualTransport
from tests.server.raw_http import Server, echoed, request, statuses

GET = request("GET /echo", close=False)
LAST_GET = request("GET /echo")
HANDSHAKE = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
]
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: testserver\r\nTransfer-Encoding: chunked\r\n"


@pytest.mark.parametrize("protocol", ["foo", "h2c", "websocket", "websocket, foo"])
async def test_request_with_an_upgrade_keeps_its_body_and_is_the_last_one(
    protocol: str, server: Server
) -> None:
    body = b"\r\n" * 10_000 + GET
    upgrade = ["Connection: keep-alive, Upgrade", f"Upgrade: {protocol}"]
    whole = request("POST /echo", *upgrade, body=body, close=False)
    head, rest = whole[: len(whole) - len(body)], whole[len(whole) - len(body) :]

    for parts in ([whole + GET], [head, rest, GET], [whole[:50], whole[50:]]):
        received = await server.exchange(*parts)
        assert statuses(received) == [200]
        assert echoed(received).body == body.decode()
        assert "upgrade" not in echoed(received).headers
        assert b"\r\nconnection: close\r\n" in received


async def test_parser_still_takes_the_body_of_an_upgrade_for_a_request() -> None:
    """`HttpProtocol.upgrade` can be removed when this test fails."""

    class Requests:
        urls: list[bytes] = []  # noqa: RUF012 - one instance

        def on_url(self, url: bytes) -> None:
            self.urls.append(url)

    parser = httptools.HttpRequestParser(Requests())
    with pytest.raises(httptools.HttpParserUpgrade):
        parser.feed_data(
            b"POST /a HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: foo\r\nContent-Length: 99\r\n\r\n"
        )
    parser.feed_data(b"GET /body HTTP/1.1\r\n\r\n")

    assert Requests.urls == [b"/a", b"/body"]


async def test_request_without_an_upgrade_keeps_its_body_and_the_connection(
    server: Server,
) -> None:
    received = await server.exchange(
        request("POST /echo", body=LAST_GET, close=False), request("POST /echo", body=b"last")
    )

    assert statuses(received) == [200, 200]
    assert echoed(received).body == "last"


@pytest.mark.parametrize(
    ("headers", "status"),
    [([], 101), (["Content-Length: 0"], 101), (["Content-Length: 1"], 400)]
    + [(["Transfer-Encoding: chunked"], 400)],
)
async def test_handshake_with_a_body_is_refused(
    headers: list[str], status: int, server: Server
) -> None:
    async with server.connect() as client:
        await client.send(request("GET /", *HANDSHAKE, *headers, close=False))

        assert statuses(await client.read_response()) == [status]


async def test_handshake_behind_a_pending_request_is_not_performed(server: Server) -> None:
    async with server.connect() as client:
        await client.send(
            request("GET /hold", close=False) + request("GET /", *HANDSHAKE, close=False)
        )
        await server.application.held.wait()
        server.application.release.set()

        assert statuses(await client.read_to_end()) == [200]


async def test_connect_is_refused(server: Server) -> None:
    assert statuses(await server.exchange(b"CONNECT /echo HTTP/1.1\r\n\r\n")) == [400]


@pytest.mark.parametrize(("size", "status"), [(MAX_HEAD_BYTES, 200), (MAX_HEAD_BYTES + 1, 431)])
@pytest.mark.parametrize("begin", [b"GET /echo?", b"GET /echo HTTP/1.1\r\na: "])
async def test_head_above_the_limit_is_refused(
    begin: bytes, size: int, status: int, server: Server
) -> None:
    end = b"" if b"HTTP" in begin else b" HTTP/1.1"
    end += b"\r\nHost: testserver\r\nConnection: close\r\n\r\n"
    head = begin + b"b" * (size - len(begin) - len(end)) + end

    for parts in ([head], [head[:9000], head[9000:]]):
        received = await server.exchange(*parts)
        assert statuses(received) == [status]
        assert b"\r\nconnection: close\r\n" in received


@pytest.mark.parametrize(("count", "status"), [(MAX_HEADERS, 200), (MAX_HEADERS + 1, 431)])
async def test_more_headers_than_the_limit_are_refused(
    count: int, status: int, server: Server
) -> None:
    headers = [f"a{number}: b" for number in range(count - 2)]  # besides Host and Connection
    received = await server.exchange(request("GET /echo", *headers))

    assert statuses(received) == [status]


@pytest.mark.parametrize(
    "begin",
    [b"GET /echo HTTP/1.1\r\n", CHUNKED + b"\r\n0\r\n"],
    ids=["headers", "trailers"],
)
async def test_endless_fields_are_refused_before_they_are_complete(
    begin: bytes, server: Server
) -> None:
    received = await server.exchange(begin + b"a:\r\n" * (MAX_HEADERS + 2))

    assert statuses(received) == [431]


@pytest.mark.parametrize("blanks", ["", "  "])
async def test_blanks_behind_an_upgrade_do_not_matter(blanks: str, server: Server) -> None:
    headers = [line + blanks if line.startswith("Upgrade") else line for line in HANDSHAKE]
    async with server.connect() as client:
        await client.send(request("GET /echo", *headers, close=False))

        assert statuses(await client.reader.readuntil(b"\r\n\r\n")) == [101]


@pytest.mark.parametrize(("target", "status"), [("http://x", 400), ("http://x/echo", 200)])
async def test_absolute_target_without_a_path_is_refused(
    target: str, status: int, server: Server
) -> None:
    assert statuses(await server.exchange(request(f"GET {target}"))) == [status]


async def test_trailers_are_no_headers(server: Server) -> None:
    received = await server.exchange(
        CHUNKED + b"Connection: close\r\n\r\n4\r\nbody\r\n0\r\nAuthorization: x\r\n\r\n"
    )

    assert echoed(received).body == "body"
    assert "authorization" not in echoed(received).headers


@pytest.mark.parametrize("part", [b"0\r\n" + b"a: b\r\n" * 9000, b"4;" + b"a" * 54_000])
async def test_endless_framing_of_a_body_is_refused(part: bytes, server: Server) -> None:
    assert statuses(await server.exchange(CHUNKED + b"\r\n4\r\nbody\r\n" + part)) == [431]


async def test_blank_lines_instead_of_a_request_are_refused(server: Server) -> None:
    assert statuses(await server.exchange(b"\r\n" * MAX_HEAD_BYTES)) == [431]


async def test_pipelined_requests_get_their_responses_in_order(server: Server) -> None:
    requests = [request("POST /echo", body=b"%d" % n, close=n == 9) for n in range(10)]
    received = await server.exchange(b"".join(requests))

    assert statuses(received) == [200] * 10
    positions = [received.index(b'"body":"%d"' % n) for n in range(10)]
    assert positions == sorted(positions)


async def test_connection_is_closed_after_too_many_pipelined_requests(server: Server) -> None:
    received = await server.exchange(GET * 10 * MAX_PIPELINED_REQUESTS)

    assert statuses(received) == [200] * (1 + MAX_PIPELINED_REQUESTS)
    assert received.count(b"\r\nconnection: close\r\n") == 1


async def test_nothing_is_read_while_requests_are_queued() -> None:
    transport, pipeline = ManualTransport(), ["a request"]
    flow = PipelineFlowControl(transport, pipeline)
    flow.pause_reading()
    flow.resume_reading()
    assert not transport.reading

    pipeline.clear()
    flow.resume_reading()
    assert transport.reading


async def test_invalid_request_is_refused(server: Server) -> None:
    received = await server.exchange(b"nonsense\r\n\r\n")

    assert statuses(received) == [400]
    assert b"\r\ncontent-type: application/problem+json\r\n" in received


async def test_invalid_bytes_after_a_request_do_not_replace_its_response(server: Server) -> None:
    received = await server.exchange(GET + b"nonsense\r\n\r\n")

    assert statuses(received) == [200]
    assert b"\r\nconnection: close\r\n" in received


@pytest.mark.parametrize("invalid", [b"x\r\n", b"2\r\nok12345"])
async def test_invalid_body_is_refused_before_its_response(invalid: bytes, server: Server) -> None:
    assert statuses(await server.exchange(CHUNKED + b"\r\n" + invalid)) == [400]


async def test_invalid_body_behind_a_pending_request_closes_the_connection(server: Server) -> None:
    received = await server.exchange(request("GET /hold", close=False) + CHUNKED + b"\r\nx\r\n")

    assert received == b""
