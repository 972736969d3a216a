from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

import httpx
import pytest
from fastapi import Body, FastAPI
from fastapi.responses import HTMLResponse, PlainTextResponse

from app.main import create_app
from app.service import MAX_BODY_BYTES
from tests.clients import BASE_URL

pytestmark = pytest.mark.usefixtures("settings_read_anew")

APP = "https://app.example"
EVIL = "https://evil.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "PUT",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """Of a service of its own, as its settings say at the first request."""
    monkeypatch.setenv("ALLOWED_ORIGINS", APP)
    app = create_app()
    add_routes(app)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        yield client


def add_routes(app: FastAPI) -> None:
    @app.get("/bug")
    @app.post("/bug")
    async def bug(_: Annotated[str, Body()] = "") -> None:
        raise ZeroDivisionError

    @app.get("/cached")
    async def cached() -> PlainTextResponse:
        return PlainTextResponse("x", headers={"Cache-Control": "max-age=60"})

    @app.get("/page")
    async def page() -> HTMLResponse:
        return HTMLResponse("x")


@pytest.mark.parametrize("path", ["/health/live", "/nowhere", "/auth/me", "/bug"])
async def test_every_answer_has_security_headers(path: str, client: httpx.AsyncClient) -> None:
    headers = (await client.get(path)).headers

    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert headers["x-content-type-options"] == "nosniff"


async def test_a_header_of_the_route_is_kept(client: httpx.AsyncClient) -> None:
    headers = (await client.get("/cached")).headers

    assert headers.get_list("cache-control") == ["max-age=60"]


async def test_a_page_may_load_scripts_but_not_be_framed(client: httpx.AsyncClient) -> None:
    headers = (await client.get("/page")).headers

    assert headers["content-security-policy"] == "frame-ancestors 'none'"


@pytest.mark.parametrize("path", ["/health/live", "/auth/me", "/bug"])
async def test_a_page_of_an_allowed_origin_may_read_every_answer(
    path: str, client: httpx.AsyncClient
) -> None:
    headers = (await client.get(path, headers={"Origin": APP})).headers

    assert headers["access-control-allow-origin"] == APP
    assert headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in headers


@pytest.mark.parametrize("origin", [EVIL, "null", f"{APP}.evil.example"])
async def test_no_other_page_may(origin: str, client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/live", headers={"Origin": origin})
    asked = await client.options("/auth/me", headers=PREFLIGHT | {"Origin": origin})

    assert "access-control-allow-origin" not in answer.headers
    assert asked.status_code == HTTPStatus.BAD_REQUEST
    assert "access-control-allow-origin" not in asked.headers


async def test_a_page_of_an_allowed_origin_may_send_tokens_and_json(
    client: httpx.AsyncClient,
) -> None:
    asked = await client.options("/auth/me/password", headers=PREFLIGHT | {"Origin": APP})

    assert asked.status_code == HTTPStatus.OK
    assert asked.headers["access-control-allow-origin"] == APP


@pytest.mark.parametrize("length", [str(MAX_BODY_BYTES + 1), "9" * 5000])
@pytest.mark.parametrize("path", ["/bug", "/nowhere"])
async def test_a_body_that_says_it_is_too_large_is_a_problem(
    path: str, length: str, client: httpx.AsyncClient
) -> None:
    response = await client.post(path, headers={"Content-Length": length})

    assert response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_body_that_does_not_say_so_is_a_problem_too(client: httpx.AsyncClient) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b" " * MAX_BODY_BYTES
        yield b" "

    response = await client.post(
        "/bug", content=body(), headers={"Content-Type": "application/json"}
    )

    assert response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["connection"] == "close"  # nobody reads what is left


@pytest.mark.parametrize(("docs", "status"), [("true", HTTPStatus.OK), ("false", 404)])
@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
async def test_a_setting_turns_the_documentation_off(
    path: str, docs: str, status: int, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCS", docs)

    assert (await client.get(path)).status_code == status
