"""Common mistakes fail at once with a message that names the remedy."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from tests import clients, mistakes
from tests.mistakes import MistakeError


@pytest.fixture(autouse=True)
def _short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mistakes, "STREAM_SECONDS", 0.05)


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


async def test_waiting_for_the_end_of_an_endless_stream_is_refused(endless: FastAPI) -> None:
    with pytest.raises(MistakeError, match="never ends"):
        await clients.http_client(endless).get("/endless")


def test_waiting_for_an_endless_stream_is_refused_in_a_synchronous_test(endless: FastAPI) -> None:
    client = mistakes.SynchronousClient(mistakes.refuse_endless_responses(endless))
    with pytest.raises(MistakeError, match="never ends"):
        client.get("/endless")


def test_separate_test_client_is_refused_in_another_loop(
    app: FastAPI, auth_headers: dict[str, str]
) -> None:
    with pytest.raises(MistakeError, match="use the fixture `client`"):
        TestClient(app).get("/auth/me", headers=auth_headers)


def test_separate_test_client_cannot_start_the_service_again(app: FastAPI) -> None:
    with pytest.raises(MistakeError, match="use the fixture `client`"), TestClient(app):
        pass  # pragma: no cover - the service does not start again
