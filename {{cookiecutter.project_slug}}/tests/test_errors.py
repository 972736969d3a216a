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

SECRET = "message of the driver"


class ThingNotFoundError(NotFoundError):
    detail = "Thing not found"


ERRORS: dict[str, Exception] = {
    "not-found": ThingNotFoundError(),
    "outage": DatabaseUnavailableError(),
    "object": HTTPException(400, {"code": "x"}),
    "unnamed": HTTPException(499, "Gone away"),
}


ERRORS["outage"].__cause__ = TimeoutError(SECRET)


class Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")


@pytest.fixture
def app() -> FastAPI:
    """A small service with routes that raise each kind of error."""
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


async def test_service_error_is_a_problem_document(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/raise/not-found")) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Thing not found",
    }


async def test_framework_error_is_a_problem_document(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/nowhere"))["title"] == "Not Found"
    refused = await client.post("/number/1")
    assert problem(refused)["title"] == "Method Not Allowed"
    assert refused.headers["allow"] == "GET"


async def test_structured_detail_becomes_a_member_of_its_own(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/raise/object")) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "Bad Request",
        "details": {"code": "x"},
    }


async def test_unknown_status_has_a_generic_title(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/raise/unnamed"))["title"] == "Error"


async def test_validation_error_names_the_field_but_not_the_input(
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


async def test_validation_problem_is_short(client: httpx.AsyncClient) -> None:
    nonsense = {"x" * 300 + str(number): number for number in range(1000)}

    response = await client.post("/nothing", json=nonsense)

    assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert len(response.content) < 10_000


async def test_database_outage_is_503_with_retry_after(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    response = await client.get("/raise/outage")

    assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert problem(response)["detail"] == "Database unavailable"
    assert response.headers["retry-after"] == "5"
    line = f"Database unavailable: TimeoutError({SECRET!r})"
    assert caplog.record_tuples == [("app.errors", logging.ERROR, line)]
    assert not caplog.records[0].exc_info


def test_disconnecting_client_is_not_an_error(app: FastAPI) -> None:
    with TestClient(app).websocket_connect("/left") as socket:
        socket.close()


def test_violation_of_a_unique_constraint_is_a_conflict() -> None:
    with conflict(ConflictError):
        """No constraint is violated."""
    with pytest.raises(ConflictError), conflict(ConflictError):
        raise IntegrityError("INSERT", {}, ValueError(SECRET))
