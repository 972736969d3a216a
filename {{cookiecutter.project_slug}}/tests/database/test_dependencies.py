import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, nullcontext
from http import HTTPStatus
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from httpx import ASGITransport
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from starlette.types import Message, Receive, Scope, Send

from app.auth.models import User
from app.database import Database
from app.database.outages import ReadOnlySessionError
from app.database.sessions import UnusableSessionError
from app.dependencies import CurrentDatabase, CurrentUser, DbSession, get_async_db
from app.main import create_app
from tests import clients
from tests.conftest import WsConnect
from tests.users import new_user


@pytest.fixture
def real_app(clean_database: Database) -> FastAPI:
    """A small service with a separate database and without overrides."""
    app = FastAPI()
    app.state.database = clean_database

    @app.post("/stored")
    async def stored(session: DbSession) -> None:
        session.add(await new_user("new"))

    @app.post("/failed")
    async def failed(session: DbSession) -> None:
        session.add(await new_user("new"))
        await session.flush()
        raise ZeroDivisionError

    @app.post("/twice")
    async def twice(session: DbSession) -> None:
        session.add_all([await new_user("same"), await new_user("same")])

    return app


async def post(app: FastAPI, path: str) -> int:
    transport = ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return (await client.post(path)).status_code


async def get_text(app: FastAPI, path: str) -> str:
    async with clients.http_client(app) as client:
        return (await client.get(path)).text


async def count_users(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return await connection.scalar(select(func.count(User.id))) or 0


async def test_transaction_is_committed_before_the_response_is_sent(
    real_app: FastAPI, clean_database: Database
) -> None:
    users_at_start: list[int] = []

    async def service(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                users_at_start.append(await count_users(clean_database.engine))
            await send(message)

        await real_app(scope, receive, send_and_count)

    transport = ASGITransport(service)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        response = await client.post("/stored")

    assert response.status_code == HTTPStatus.OK
    assert users_at_start == [1]


async def test_error_in_a_route_rolls_the_transaction_back(
    real_app: FastAPI, clean_database: Database
) -> None:
    assert await post(real_app, "/failed") == HTTPStatus.INTERNAL_SERVER_ERROR
    assert await count_users(clean_database.engine) == 0


async def test_failing_commit_is_an_error_response(
    real_app: FastAPI, clean_database: Database
) -> None:
    assert await post(real_app, "/twice") == HTTPStatus.INTERNAL_SERVER_ERROR
    assert await count_users(clean_database.engine) == 0


@pytest.mark.parametrize("path", ["/stored", "/failed", "/twice"])
async def test_request_returns_its_connection(
    path: str, real_app: FastAPI, clean_database: Database
) -> None:
    await post(real_app, path)

    assert clean_database.connections_in_use == 0


async def test_concurrent_requests_that_read_before_they_write_all_succeed(
    real_app: FastAPI, clean_database: Database
) -> None:
    @real_app.post("/counted/{number}")
    async def counted(session: DbSession, number: int) -> None:
        await session.scalar(select(func.count(User.id)))
        session.add(await new_user(f"user{number}"))

    statuses = await asyncio.gather(*(post(real_app, f"/counted/{n}") for n in range(5)))

    assert set(statuses) == {HTTPStatus.OK}
    assert await count_users(clean_database.engine) == 5


async def test_get_request_does_not_wait_for_a_writer(
    real_app: FastAPI, clean_database: Database
) -> None:
    @real_app.get("/count")
    async def count(session: DbSession) -> int | None:
        return await session.scalar(select(func.count(User.id)))

    async with clean_database.session() as writer:
        writer.add(await new_user("new"))
        await writer.flush()
        async with clients.http_client(real_app) as client:
            assert (await client.get("/count")).json() == 0


async def test_get_route_that_writes_is_refused_with_the_remedy(
    real_app: FastAPI, clean_database: Database
) -> None:
    @real_app.get("/written")
    async def written(session: DbSession) -> None:
        session.add(await new_user("new"))

    transport = ASGITransport(real_app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        with pytest.raises(ReadOnlySessionError, match="POST, PUT, PATCH or DELETE route"):
            await client.get("/written")

    assert await count_users(clean_database.engine) == 0


async def test_get_route_that_writes_is_refused_in_the_test_session_too(
    app: FastAPI, async_client: httpx.AsyncClient, async_db: AsyncSession
) -> None:
    router = APIRouter()

    @router.get("/written")
    async def written(session: DbSession) -> None:
        session.add(await new_user("new"))

    @router.get("/common-table-expression")
    async def update_with(session: DbSession) -> None:
        await session.execute(text("WITH x AS (SELECT 1) UPDATE users SET active = false"))

    with added(app, router):
        for path in ("/written", "/common-table-expression"):
            with pytest.raises(ReadOnlySessionError):
                await async_client.get(path)

    async_db.add(await new_user("new"))  # the session of the test can still write
    await async_db.flush()


@contextmanager
def added(app: FastAPI, router: APIRouter) -> Iterator[None]:
    """Include a router in the shared application until the block ends."""
    routes = list(app.router.routes)
    app.include_router(router)
    yield
    app.router.routes[:] = routes


def socket_router() -> APIRouter:
    router = APIRouter()

    @router.websocket("/used")
    async def used(websocket: WebSocket, session: DbSession) -> None:
        await websocket.accept()
        await session.scalar(select(User))

    @router.websocket("/user")
    async def send_user(websocket: WebSocket, user: CurrentUser) -> None:
        await websocket.accept()
        await websocket.send_json(user.id)

    @router.websocket("/short")
    async def short(websocket: WebSocket, database: CurrentDatabase) -> None:
        await websocket.accept()
        async with database.session() as session:
            count = await session.scalar(select(func.count(User.id)))
        await websocket.send_json(count)
        await websocket.receive()

    return router


async def test_websocket_route_that_uses_its_session_is_refused_with_the_remedy(
    real_app: FastAPI, clean_database: Database
) -> None:
    real_app.include_router(socket_router())

    with pytest.raises(UnusableSessionError, match="must not stay open with a WebSocket"):
        async with clients.websocket(real_app, "/used") as socket:
            await socket.receive_text()

    assert clean_database.connections_in_use == 0


async def test_websocket_route_that_uses_its_session_is_refused_in_the_test_session_too(
    app: FastAPI, ws_connect: WsConnect
) -> None:
    with (
        added(app, socket_router()),
        pytest.raises(UnusableSessionError, match="must not stay open"),
    ):
        async with ws_connect("/used") as socket:
            await socket.receive_text()


async def test_websocket_route_of_a_test_finds_the_user_of_the_test_session(
    app: FastAPI, ws_connect: WsConnect, user: User, auth_headers: dict[str, str]
) -> None:
    with added(app, socket_router()):
        async with ws_connect("/user", headers=auth_headers) as socket:
            assert await socket.receive_json() == user.id


async def test_streaming_body_that_uses_the_session_is_refused_with_the_remedy(
    real_app: FastAPI, clean_database: Database
) -> None:
    @real_app.get("/streamed")
    async def streamed(session: DbSession) -> StreamingResponse:
        async def body() -> AsyncIterator[str]:
            yield str(await session.scalar(select(func.count(User.id))))

        return StreamingResponse(body())

    transport = ASGITransport(real_app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        with pytest.raises(UnusableSessionError, match="ends with its route"):
            await client.get("/streamed")

    assert clean_database.connections_in_use == 0


async def test_streaming_body_can_open_a_session(
    real_app: FastAPI, clean_database: Database
) -> None:
    @real_app.get("/streamed")
    async def streamed(database: CurrentDatabase) -> StreamingResponse:
        async def body() -> AsyncIterator[str]:
            async with database.session(read_only=True) as session:
                count = await session.scalar(select(func.count(User.id)))
            yield str(count)

        return StreamingResponse(body())

    # In a task, because coverage loses track of the code that awaits a body with a greenlet.
    text = asyncio.create_task(get_text(real_app, "/streamed"))

    assert await text == "0"
    assert clean_database.connections_in_use == 0


async def test_websocket_route_holds_no_connection_after_a_short_session(
    real_app: FastAPI, clean_database: Database
) -> None:
    real_app.include_router(socket_router())

    async with clients.websocket(real_app, "/short") as socket:
        assert await socket.receive_json() == 0
        async with clean_database.session() as writer:  # on SQLite there is only one
            await writer.connection()
            assert clean_database.connections_in_use == 1


async def test_route_may_commit_and_roll_back_itself(
    real_app: FastAPI, clean_database: Database
) -> None:
    @real_app.post("/explicit")
    async def explicit(session: DbSession) -> None:
        session.add(await new_user("first"))
        await session.commit()
        session.add(await new_user("first"))
        with pytest.raises(IntegrityError):
            await session.commit()
        await session.rollback()
        session.add(await new_user("second"))

    assert await post(real_app, "/explicit") == HTTPStatus.OK
    assert await count_users(clean_database.engine) == 2


def test_error_without_a_lifespan_names_the_remedy() -> None:
    client = TestClient(create_app())

    with pytest.raises(RuntimeError, match="the lifespan has not run"):
        client.get("/auth/me", headers=clients.bearer("any"))


def test_session_can_be_overridden_as_in_the_tutorials() -> None:
    app = FastAPI()
    app.dependency_overrides[get_async_db] = lambda: "a session"

    @app.get("/session")
    async def session(session: Annotated[str, Depends(get_async_db)]) -> str:
        return session

    assert TestClient(app).get("/session").json() == "a session"


@pytest.mark.parametrize(
    ("method", "may_write"),
    [
        ("GET", False),
        ("HEAD", False),
        ("OPTIONS", False),
        ("POST", True),
        ("PUT", True),
        ("PATCH", True),
        ("DELETE", True),
    ],
)
async def test_only_requests_with_a_safe_method_are_read_only(
    method: str, may_write: bool, real_app: FastAPI, clean_database: Database
) -> None:
    @real_app.api_route("/written", methods=[method])
    async def written(session: DbSession) -> None:
        session.add(await new_user("new"))

    async with clients.http_client(real_app) as client:
        with nullcontext() if may_write else pytest.raises(ReadOnlySessionError):
            await client.request(method, "/written")

    assert await count_users(clean_database.engine) == int(may_write)
