import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import Body, FastAPI
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse, StreamingResponse

from app.main import create_app
from tests.clients import BASE_URL

APP_ORIGIN = "https://app.example"


@pytest.fixture
def stream_closed() -> asyncio.Event:
    """An event that is set when the endless stream of `client` is closed."""
    return asyncio.Event()


@pytest.fixture
async def client(
    monkeypatch: pytest.MonkeyPatch, fresh_settings: None, stream_closed: asyncio.Event
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a separate application, which reads its settings at the first request."""
    monkeypatch.setenv("ALLOWED_ORIGINS", APP_ORIGIN)
    app = create_app()
    add_routes(app, stream_closed)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        yield client


async def endless(closed: asyncio.Event) -> AsyncIterator[bytes]:
    try:
        while True:
            yield b"x"
            await asyncio.sleep(0)
    finally:
        closed.set()


def add_routes(app: FastAPI, stream_closed: asyncio.Event) -> None:
    @app.get("/bug")
    @app.post("/bug")
    async def bug(_: Annotated[str, Body()] = "") -> None:
        raise ZeroDivisionError("secret")

    @app.get("/cached")
    async def cached() -> PlainTextResponse:
        return PlainTextResponse("x", headers={"Cache-Control": "max-age=60"})

    @app.get("/file")
    async def file() -> FileResponse:
        return FileResponse(__file__)

    @app.get("/endless")
    async def stream() -> StreamingResponse:
        return StreamingResponse(endless(stream_closed), headers={"X-Stream": "yes"})

    @app.post("/sent")
    async def sent() -> None: ...

    @app.get("/page")
    async def page() -> HTMLResponse:
        return HTMLResponse("x")
