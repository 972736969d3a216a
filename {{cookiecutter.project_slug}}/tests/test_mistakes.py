"""What is easy to get wrong fails at once, and says what to write instead."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from tests import clients, mistakes
from tests.mistakes import MistakeError


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mistakes, "PATIENCE", 0.05)


@pytest.fixture
def endless() -> FastAPI:
    app = FastAPI()

    async def events() -> AsyncIterator[bytes]:
        yield b":\n\n"
        await asyncio.Event().wait()

    @app.get("/endless")
    async def stream() -> StreamingResponse:
        return StreamingResponse(events(), media_type="text/event-stream")

    return app


async def test_to_wait_for_the_end_of_an_endless_stream(endless: FastAPI) -> None:
    with pytest.raises(MistakeError, match="never ends"):
        await clients.http_client(endless).get("/endless")


def test_to_wait_for_it_in_a_synchronous_test(endless: FastAPI) -> None:
    client = mistakes.SynchronousClient(mistakes.impatient(endless))
    with pytest.raises(MistakeError, match="never ends"):
        client.get("/endless")


def test_a_client_of_its_own_in_another_loop(app: FastAPI, auth_headers: dict[str, str]) -> None:
    with pytest.raises(MistakeError, match="take the fixture `client`"):
        TestClient(app).get("/auth/me", headers=auth_headers)


def test_a_client_of_its_own_that_starts_the_service_again(app: FastAPI) -> None:
    with pytest.raises(MistakeError, match="take the fixture `client`"), TestClient(app):
        pass  # pragma: no cover - it does not start
