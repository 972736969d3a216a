import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from app.http.middleware import MAX_BODY_BYTES, UnhandledErrorMiddleware
from tests.http.conftest import APP_ORIGIN

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


@pytest.mark.parametrize(
    ("scope_type", "message_type"),
    [("http", "http.response.start"), ("websocket", "websocket.accept")],
)
async def test_bug_after_the_response_has_started_is_only_raised(
    scope_type: str, message_type: str
) -> None:
    sent: asyncio.Queue[Message] = asyncio.Queue()

    async def failing(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": message_type})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await UnhandledErrorMiddleware(failing)({"type": scope_type}, sent.get, sent.put)
    assert sent.get_nowait() == {"type": message_type}
    assert sent.empty()
