from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import Body, FastAPI
from fastapi.responses import HTMLResponse, PlainTextResponse

from app.main import create_app
from tests.clients import BASE_URL

APP_ORIGIN = "https://app.example"


@pytest.fixture
async def client(
    monkeypatch: pytest.MonkeyPatch, fresh_settings: None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a separate application, which reads its settings at the first request."""
    monkeypatch.setenv("ALLOWED_ORIGINS", APP_ORIGIN)
    app = create_app()
    add_routes(app)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        yield client


def add_routes(app: FastAPI) -> None:
    @app.get("/bug")
    @app.post("/bug")
    async def bug(_: Annotated[str, Body()] = "") -> None:
        raise ZeroDivisionError("secret")

    @app.get("/cached")
    async def cached() -> PlainTextResponse:
        return PlainTextResponse("x", headers={"Cache-Control": "max-age=60"})

    @app.get("/page")
    async def page() -> HTMLResponse:
        return HTMLResponse("x")
