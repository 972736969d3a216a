import logging
from http import HTTPStatus

import httpx
import pytest
from fastapi import APIRouter, FastAPI, HTTPException, WebSocket, WebSocketDisconnect
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import User
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
    "by-route": HTTPException(405, headers={"Allow": "GET,PURGE"}),
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

    router = APIRouter(prefix="/included")
    for method in ("GET", "PATCH", "DELETE"):
        router.add_api_route("/{number}", number, methods=[method])
    app.include_router(router)

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
    assert problem(await client.post("/number/1"))["title"] == "Method Not Allowed"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/number/1", "GET, HEAD"),
        ("GET", "/nothing", "POST"),
        ("PUT", "/included/7", "DELETE, GET, HEAD, PATCH"),
        ("POST", "/included/7", "DELETE, GET, HEAD, PATCH"),
        ("GET", "/raise/by-route", "GET, HEAD, PURGE"),
    ],
)
async def test_allow_header_lists_the_methods_of_all_routes_of_the_path(
    method: str, path: str, allowed: str, client: httpx.AsyncClient
) -> None:
    response = await client.request(method, path)

    assert problem(response)["status"] == HTTPStatus.METHOD_NOT_ALLOWED
    assert response.headers["allow"] == allowed


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


async def test_body_that_cannot_be_decoded_gets_400(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    response = await client.post("/nothing", content=b"\x80", headers=headers)

    assert problem(response)["status"] == HTTPStatus.BAD_REQUEST


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


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"id": 2}, ConflictError),
        ({"user_id": None}, ConflictError),
        ({"id": 2, "user_id": 404}, IntegrityError),
        ({"id": 2, "user_id": None, "path": None}, IntegrityError),
    ],
    ids=["unique", "primary key", "foreign key", "not null"],
)
async def test_violation_of_a_unique_constraint_only_is_a_conflict(
    change: dict[str, object], error: type[Exception], async_db: AsyncSession, user: User
) -> None:
    await async_db.execute(
        text(
            "CREATE TABLE visits (id INTEGER PRIMARY KEY,"
            " user_id INTEGER UNIQUE REFERENCES users (id), path TEXT NOT NULL)"
        )
    )
    insert = text("INSERT INTO visits VALUES (:id, :user_id, :path)")
    visit = {"id": 1, "user_id": user.id, "path": "/"}
    with conflict(ConflictError):
        await async_db.execute(insert, visit)

    with pytest.raises(error), conflict(ConflictError):
        await async_db.execute(insert, visit | change)
