import re
from http import HTTPStatus

import httpx
import pytest
from fastapi import FastAPI, HTTPException, WebSocket
from httpx_ws import WebSocketDisconnect
from prometheus_client import REGISTRY
from starlette.types import Message, Receive, Scope, Send
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from app.main import create_app
from app.observability.middleware import ObservabilityMiddleware
from tests import clients
from tests.conftest import WsConnect


@pytest.fixture(autouse=True)
def _log_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "app")


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


@pytest.mark.parametrize("given", ["0f5c", "a" * 64, "A-b_c.9"])
async def test_request_id_of_the_client_is_kept(
    given: str, anonymous_client: httpx.AsyncClient
) -> None:
    response = await anonymous_client.get("/health/live", headers={"X-Request-ID": given})

    assert response.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "a" * 65, "two words", "a\tb", '"quoted"'])
async def test_unsafe_request_id_is_replaced(
    given: str, anonymous_client: httpx.AsyncClient
) -> None:
    response = await anonymous_client.get("/health/live", headers={"X-Request-ID": given})

    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-ID"])


async def test_request_is_logged_in_one_line_without_its_query(
    anonymous_client: httpx.AsyncClient,
) -> None:
    with capture_logs() as lines:
        response = await anonymous_client.get("/auth/me?token=secret")

    (line,) = lines
    assert line.pop("duration_ms") >= 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "client": "127.0.0.1",
        "method": "GET",
        "path": "/auth/me",
        "status": HTTPStatus.UNAUTHORIZED,
    }
    assert response.status_code == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    ("address", "logged"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8::1%eth0", "2001:db8::1%eth0"),
        ("\x9b31mred", "invalid"),
        ("1.1.1.1\n", "invalid"),
        ("a" * 1000, "invalid"),
    ],
)
async def test_client_that_is_no_address_is_not_logged(
    address: str, logged: str, app: FastAPI
) -> None:
    transport = httpx.ASGITransport(app, client=(address, 1))
    async with httpx.AsyncClient(transport=transport, base_url=clients.BASE_URL) as client:
        with capture_logs() as lines:
            await client.get("/health/live")

    assert [line["client"] for line in lines] == [logged]


async def test_head_is_logged_and_counted_as_head_on_its_route(
    anonymous_client: httpx.AsyncClient,
) -> None:
    labels = {"method": "HEAD", "route": "/health/live", "status": "200"}
    before = counted("http_requests_total", **labels)
    with capture_logs() as lines:
        await anonymous_client.head("/health/live")

    assert counted("http_requests_total", **labels) == before + 1
    assert [line["method"] for line in lines] == ["HEAD"]


async def test_request_is_not_logged_below_the_level(
    anonymous_client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with capture_logs() as lines, caplog.at_level("WARNING", "app"):
        await anonymous_client.get("/health/live")

    assert not lines


async def test_path_is_escaped_in_the_log(anonymous_client: httpx.AsyncClient) -> None:
    with capture_logs() as lines:
        await anonymous_client.get("/a%0Ab%1B?c%0Ad")

    assert [line["path"] for line in lines] == ["/a%0Ab%1B"]


@pytest.mark.parametrize("token", ["%65" * 41, "a" * 41])
async def test_token_in_the_path_is_not_logged(
    token: str, anonymous_client: httpx.AsyncClient
) -> None:
    with capture_logs() as lines:
        await anonymous_client.get(f"/auth/refresh/{token}/{'a' * 40}")

    assert [line["path"] for line in lines] == [f"/auth/refresh/[redacted]/{'a' * 40}"]


async def test_log_lines_of_a_route_have_the_request_id() -> None:
    app = create_app()

    @app.get("/bound")
    async def bound() -> str:
        return str(get_contextvars()["request_id"])

    async with clients.http_client(app) as client:
        response = await client.get("/bound")

    assert response.json() == response.headers["X-Request-ID"]


async def test_response_to_a_bug_has_a_request_id_and_is_counted() -> None:
    app = create_app()

    @app.get("/fails")
    async def fails() -> None:
        raise RuntimeError

    before = counted("http_requests_total", method="GET", route="/fails", status="500")
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=clients.BASE_URL) as client:
        with capture_logs() as lines:
            response = await client.get("/fails")

    assert "X-Request-ID" in response.headers
    assert [line["status"] for line in lines] == [500]
    assert counted("http_requests_total", method="GET", route="/fails", status="500") == before + 1


async def test_requests_are_counted_by_route_template() -> None:
    app = create_app()

    @app.get("/things/{number}")
    async def thing(number: int) -> None:
        raise HTTPException(404)

    labels = {"method": "GET", "route": "/things/{number}"}
    before = counted("http_requests_total", status="404", **labels)
    timed = counted("http_request_duration_seconds_count", **labels)
    async with clients.http_client(app) as client:
        for number in (1001, 1002):
            await client.get(f"/things/{number}")

    assert counted("http_requests_total", status="404", **labels) == before + 2
    assert counted("http_request_duration_seconds_count", **labels) == timed + 2
    assert counted("http_requests_in_flight") == 0


async def test_unknown_methods_and_paths_share_one_label(
    anonymous_client: httpx.AsyncClient,
) -> None:
    labels = {"method": "other", "route": "unmatched", "status": "404"}
    before = counted("http_requests_total", **labels)
    for number in range(3):
        await anonymous_client.request(f"MADE{number}", f"/made/{number}")

    assert counted("http_requests_total", **labels) == before + 3


async def test_client_that_disconnects_before_the_response_is_counted_as_499() -> None:
    async def disconnected(scope: Scope, receive: Receive, send: Send) -> None:
        await send(await receive())

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        """Discard the message."""

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    labels = {"method": "GET", "route": "unmatched", "status": "499"}
    before = counted("http_requests_total", **labels)
    with capture_logs() as lines:
        await ObservabilityMiddleware(disconnected)(scope | {"client": None}, receive, send)

    assert counted("http_requests_total", **labels) == before + 1
    assert [(line["status"], line["client"]) for line in lines] == [(499, None)]


@pytest.fixture
def echoing() -> FastAPI:
    app = create_app()

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    return app


async def test_socket_is_counted_while_open_and_logged_when_closed(
    echoing: FastAPI,
) -> None:
    ended = counted("websocket_closes_total", route="/echo", code="1000")
    with capture_logs() as lines:
        async with clients.websocket(echoing, "/echo") as socket:
            assert counted("websockets_open", route="/echo") == 1
            await socket.send_text("x")
            await socket.receive_text()

    assert counted("websockets_open", route="/echo") == 0
    assert counted("websocket_closes_total", route="/echo", code="1000") == ended + 1
    assert [(line["event"], line["path"], line["code"]) for line in lines] == [
        ("socket", "/echo", 1000)
    ]


async def test_log_lines_of_a_socket_have_the_request_id_of_its_handshake() -> None:
    app = create_app()

    @app.websocket("/bound")
    async def bound(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(get_contextvars()["request_id"])

    async with clients.websocket(app, "/bound") as socket:
        assert socket.response
        assert await socket.receive_text() == socket.response.headers["X-Request-ID"]


async def test_refused_socket_without_a_route_is_counted(
    ws_connect: WsConnect,
) -> None:
    before = counted("websocket_closes_total", route="unmatched", code="1000")
    with pytest.raises(WebSocketDisconnect):
        await ws_connect("/made/up").__aenter__()

    assert counted("websocket_closes_total", route="unmatched", code="1000") == before + 1


async def test_unknown_close_codes_share_one_label(echoing: FastAPI) -> None:
    before = counted("websocket_closes_total", route="/echo", code="other")
    async with clients.websocket(echoing, "/echo") as socket:
        await socket.close(3999)

    assert counted("websocket_closes_total", route="/echo", code="other") == before + 1
