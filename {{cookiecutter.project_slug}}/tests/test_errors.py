import logging
from http import HTTPStatus

import httpx
import pytest
from fastapi import FastAPI, HTTPException, WebSocket, WebSocketDisconnect
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import IntegrityError

from app.errors import (
    ConflictError,
    DatabaseUnavailableError,
    NotFoundError,
    add_error_handlers,
    conflict,
)
from tests.clients import BASE_URL

SECRET = "what the driver says"


class NoSuchThingError(NotFoundError):
    detail = "There is no such thing"


ERRORS: dict[str, Exception] = {
    "no-such-thing": NoSuchThingError(),
    "outage": DatabaseUnavailableError(),
    "bug": ZeroDivisionError(SECRET),
    "object": HTTPException(400, {"code": "x"}),
    "nameless": HTTPException(499, "Gone away"),
}


ERRORS["outage"].__cause__ = TimeoutError(SECRET)


class Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")


@pytest.fixture
def app() -> FastAPI:
    """Make a small service that fails in every way."""
    app = FastAPI()
    add_error_handlers(app)

    @app.get("/raise/{name}")
    async def fail(name: str) -> None:
        raise ERRORS[name]

    @app.get("/number/{number}")
    async def number(number: int) -> int:
        return number

    @app.post("/nothing")
    async def nothing(_: Nothing) -> None: ...

    @app.websocket("/left")
    async def left(websocket: WebSocket) -> None:
        await websocket.accept()
        raise WebSocketDisconnect(1006)

    return app


@pytest.fixture
def client(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=BASE_URL)


def problem(response: httpx.Response) -> dict[str, object]:
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = response.json()
    assert body["status"] == response.status_code
    return body


async def test_an_error_of_the_service_is_a_problem(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/raise/no-such-thing")) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no such thing",
    }


async def test_a_refusal_of_the_framework_is_a_problem(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/nowhere"))["title"] == "Not Found"
    refused = await client.post("/number/1")
    assert problem(refused)["title"] == "Method Not Allowed"
    assert refused.headers["allow"] == "GET"


async def test_the_detail_of_a_refusal_may_be_an_object(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/raise/object")) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "Bad Request",
        "details": {"code": "x"},
    }


async def test_a_status_may_have_no_name(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/raise/nameless"))["title"] == "Error"


async def test_an_invalid_request_names_the_field_but_not_the_input(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.get("/number/1")).json() == 1
    response = await client.get("/number/hunter2")

    assert problem(response)["errors"] == [
        {
            "type": "int_parsing",
            "loc": ["path", "number"],
            "msg": "Input should be a valid integer, unable to parse string as an integer",
        }
    ]
    assert "hunter2" not in response.text


async def test_the_answer_to_an_invalid_request_is_short(client: httpx.AsyncClient) -> None:
    nonsense = {"x" * 300 + str(number): number for number in range(1000)}

    response = await client.post("/nothing", json=nonsense)

    assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert len(response.content) < 10_000


async def test_database_trouble_is_503_with_a_time_to_come_back(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    response = await client.get("/raise/outage")

    assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert problem(response)["detail"] == "The database does not answer"
    assert response.headers["retry-after"] == "5"
    line = f"The database does not answer: TimeoutError({SECRET!r})"
    assert caplog.record_tuples == [("app.errors", logging.ERROR, line)]
    assert not caplog.records[0].exc_info


async def test_a_bug_is_500_without_a_word_about_it(client: httpx.AsyncClient) -> None:
    response = await client.get("/raise/bug")

    assert response.headers["connection"] == "close"  # which the server does
    assert problem(response)["title"] == "Internal Server Error"
    assert SECRET not in response.text


def test_a_client_that_leaves_in_the_middle_is_no_error(app: FastAPI) -> None:
    with TestClient(app).websocket_connect("/left") as socket:
        socket.close()


def test_a_value_that_must_be_unique_and_is_not_is_a_conflict() -> None:
    with conflict(ConflictError):
        """The database has nothing against it."""
    with pytest.raises(ConflictError), conflict(ConflictError):
        raise IntegrityError("INSERT", {}, ValueError(SECRET))
