import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import dataclass
from http import HTTPStatus

import httpx
import pytest
from fastapi import WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect, aconnect_ws
from starlette.types import Message, Receive, Scope, Send

from app.http.middleware import MAX_BODY_BYTES, HeadMiddleware, UnhandledErrorMiddleware
from app.main import create_app
from tests.clients import live_server
from tests.http.conftest import APP_ORIGIN, endless

OTHER_ORIGIN = "https://evil.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "PUT",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@pytest.mark.parametrize("path", ["/health/live", "/nowhere", "/auth/me", "/bug"])
async def test_every_response_has_security_headers(path: str, client: httpx.AsyncClient) -> None:
    headers = (await client.get(path)).headers

    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert headers["x-content-type-options"] == "nosniff"


async def test_header_of_a_route_is_kept(client: httpx.AsyncClient) -> None:
    headers = (await client.get("/cached")).headers

    assert headers.get_list("cache-control") == ["max-age=60"]


async def test_page_may_load_scripts_but_not_be_framed(client: httpx.AsyncClient) -> None:
    headers = (await client.get("/page")).headers

    assert headers["content-security-policy"] == "frame-ancestors 'none'"


@pytest.mark.parametrize("path", ["/health/live", "/auth/me", "/bug"])
async def test_allowed_origin_may_read_every_response(path: str, client: httpx.AsyncClient) -> None:
    headers = (await client.get(path, headers={"Origin": APP_ORIGIN})).headers

    assert headers["access-control-allow-origin"] == APP_ORIGIN
    assert headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in headers


@pytest.mark.parametrize("origin", [OTHER_ORIGIN, "null", f"{APP_ORIGIN}.evil.example"])
async def test_other_origin_may_not_call_the_service(
    origin: str, client: httpx.AsyncClient
) -> None:
    response = await client.get("/health/live", headers={"Origin": origin})
    preflight = await client.options("/auth/me", headers=PREFLIGHT | {"Origin": origin})

    assert "access-control-allow-origin" not in response.headers
    assert preflight.status_code == HTTPStatus.BAD_REQUEST
    assert "access-control-allow-origin" not in preflight.headers


async def test_allowed_origin_may_send_tokens_and_json(
    client: httpx.AsyncClient,
) -> None:
    preflight = await client.options(
        "/auth/me/password", headers=PREFLIGHT | {"Origin": APP_ORIGIN}
    )

    assert preflight.status_code == HTTPStatus.OK
    assert preflight.headers["access-control-allow-origin"] == APP_ORIGIN


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("baggage", HTTPStatus.OK),
        ("last-event-id", HTTPStatus.OK),
        ("traceparent", HTTPStatus.OK),
        ("tracestate", HTTPStatus.OK),
        ("x-request-id", HTTPStatus.OK),
        ("x-other", HTTPStatus.BAD_REQUEST),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_allowed_origin_may_send_the_headers_of_tracing(
    method: str, header: str, status: int, client: httpx.AsyncClient
) -> None:
    preflight = await client.options(
        "/health/live",
        headers={
            "Origin": APP_ORIGIN,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": header,
        },
    )

    assert preflight.status_code == status


async def test_allowed_origin_may_read_the_request_id(client: httpx.AsyncClient) -> None:
    response = await client.get("/health/live", headers={"Origin": APP_ORIGIN})

    exposed = response.headers["access-control-expose-headers"].lower().split(", ")
    assert "x-request-id" in exposed
    assert "x-request-id" in response.headers


@pytest.mark.parametrize("path", ["/auth/me", "/bug", "/cached", "/file", "/nowhere", "/page"])
async def test_head_has_the_headers_of_get_and_no_body(
    path: str, client: httpx.AsyncClient
) -> None:
    get, head = await client.get(path), await client.head(path)

    for response in (get, head):
        assert response.headers.pop("x-request-id")
    assert head.status_code == get.status_code
    assert head.headers == get.headers
    assert get.content
    assert not head.content


async def test_head_is_allowed_only_where_get_is(client: httpx.AsyncClient) -> None:
    response = await client.head("/sent")

    assert response.status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert response.headers["allow"] == "POST"


async def test_head_on_an_endless_stream_ends_at_once_and_closes_it(
    client: httpx.AsyncClient, stream_closed: asyncio.Event
) -> None:
    # One statement, because Coverage 7 on Python 3.11 does not see what follows the stream's end.
    assert [(await client.head("/endless")).headers["x-stream"], stream_closed.is_set()] == [
        "yes",
        True,
    ]


async def test_head_ends_a_stream_of_a_server_with_a_newer_specification(
    stream_closed: asyncio.Event,
) -> None:
    async def disconnected() -> Message:
        return {"type": "http.disconnect"}

    app = HeadMiddleware(StreamingResponse(endless(stream_closed)))
    scope: Scope = {"type": "http", "method": "HEAD", "asgi": {"spec_version": "2.4"}}
    await app(scope, disconnected, asyncio.Queue[Message]().put)

    assert stream_closed.is_set()


async def test_server_receives_no_body_after_head() -> None:
    sent: asyncio.Queue[Message] = asyncio.Queue()
    app = HeadMiddleware(PlainTextResponse("a body"))
    await app({"type": "http", "method": "HEAD"}, sent.get, sent.put)

    assert (b"content-length", b"6") in sent.get_nowait()["headers"]
    assert sent.get_nowait() == {"type": "http.response.body"}
    assert sent.empty()


@pytest.mark.parametrize("length", [str(MAX_BODY_BYTES + 1), "9" * 5000])
@pytest.mark.parametrize("path", ["/bug", "/nowhere"])
async def test_body_with_a_too_large_content_length_is_refused(
    path: str, length: str, client: httpx.AsyncClient
) -> None:
    response = await client.post(path, headers={"Content-Length": length})

    assert response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert response.headers["content-type"] == "application/problem+json"


async def test_body_that_grows_too_large_is_refused(client: httpx.AsyncClient) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b" " * MAX_BODY_BYTES
        yield b" "

    response = await client.post(
        "/bug", content=body(), headers={"Content-Type": "application/json"}
    )

    assert response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["connection"] == "close"  # the rest of the body is not read


async def test_bug_is_a_500_problem_without_details(client: httpx.AsyncClient) -> None:
    response = await client.get("/bug")

    assert response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["connection"] == "close"  # the server closes it
    assert response.json()["title"] == "Internal Server Error"
    assert "secret" not in response.text


@dataclass
class Application:
    """An ASGI application that sends messages of some types and then raises an error."""

    types: list[str]
    error: Exception | None = None

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        for message_type in self.types:
            await send({"type": message_type})
        if self.error:
            raise self.error


async def sent_messages(scope_type: str, app: Application) -> list[Message]:
    """Return the messages that the server gets; the error of the application must be raised."""
    sent: asyncio.Queue[Message] = asyncio.Queue()
    error = pytest.raises(type(app.error)) if app.error else nullcontext()
    with error:
        await UnhandledErrorMiddleware(app)({"type": scope_type}, sent.get, sent.put)
    return [sent.get_nowait() for _ in range(sent.qsize())]


@pytest.mark.parametrize(
    ("scope_type", "types"),
    [("http", ["http.response.start"]), ("websocket", []), ("websocket", ["websocket.close"])],
)
async def test_bug_is_only_raised_if_no_response_is_possible(
    scope_type: str, types: list[str]
) -> None:
    sent = await sent_messages(scope_type, Application(types, ZeroDivisionError()))

    assert [message["type"] for message in sent] == types


@pytest.mark.parametrize(("error", "code"), [(ZeroDivisionError(), 1011), (None, 1000)])
@pytest.mark.parametrize("types", [["websocket.accept"], ["websocket.accept", "websocket.send"]])
async def test_socket_that_its_route_leaves_open_is_closed(
    types: list[str], error: Exception | None, code: int
) -> None:
    *_, last = await sent_messages("websocket", Application(types, error))

    assert last == {"type": "websocket.close", "code": code, "reason": ""}


async def test_client_of_the_server_sees_why_its_socket_was_closed() -> None:
    app = create_app()

    @app.websocket("/bug")
    async def bug(websocket: WebSocket) -> None:
        await websocket.accept()
        if await websocket.receive_text() == "bug":
            raise ZeroDivisionError("secret")

    socket: AsyncWebSocketSession
    async with live_server(app) as address:
        for text, code in (("bug", 1011), ("end", 1000)):
            async with aconnect_ws(f"{address}/bug") as socket:
                await socket.send_text(text)
                with pytest.raises(WebSocketDisconnect) as closed:
                    await socket.receive()
            assert (closed.value.code, closed.value.reason) == (code, "")
