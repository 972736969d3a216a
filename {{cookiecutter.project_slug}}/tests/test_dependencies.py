import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

import httpx
import pytest
import pytest_asyncio
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from httpx import ASGITransport
from sqlalchemy import event, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from starlette.types import Message, Receive, Scope, Send

from app.auth import routes as auth
from app.auth.models import User
from app.database import Database
from app.dependencies import DbSession, get_async_db
from app.errors import add_error_handlers
from app.main import create_app
from tests import clients
from tests.conftest import MakeToken
from tests.users import new_user


@pytest.fixture
def real_app(clean_database: Database) -> FastAPI:
    """A small service on a database of its own: nothing is overridden."""
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


async def count_users(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return await connection.scalar(select(func.count(User.id))) or 0


async def test_the_transaction_is_committed_before_the_response_leaves(
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


async def test_an_error_leaves_no_row(real_app: FastAPI, clean_database: Database) -> None:
    assert await post(real_app, "/failed") == HTTPStatus.INTERNAL_SERVER_ERROR
    assert await count_users(clean_database.engine) == 0


async def test_a_commit_that_fails_is_an_error_response(
    real_app: FastAPI, clean_database: Database
) -> None:
    assert await post(real_app, "/twice") == HTTPStatus.INTERNAL_SERVER_ERROR
    assert await count_users(clean_database.engine) == 0


@pytest.mark.parametrize("path", ["/stored", "/failed", "/twice"])
async def test_every_request_gives_its_connection_back(
    path: str, real_app: FastAPI, clean_database: Database
) -> None:
    await post(real_app, path)

    pool = clean_database.engine.pool
    assert isinstance(pool, AsyncAdaptedQueuePool)
    assert pool.checkedout() == 0


async def test_requests_that_read_and_then_write_wait_for_one_another(
    real_app: FastAPI, clean_database: Database
) -> None:
    @real_app.post("/counted/{number}")
    async def counted(session: DbSession, number: int) -> None:
        await session.scalar(select(func.count(User.id)))
        session.add(await new_user(f"user{number}"))

    statuses = await asyncio.gather(*(post(real_app, f"/counted/{n}") for n in range(5)))

    assert set(statuses) == {HTTPStatus.OK}
    assert await count_users(clean_database.engine) == 5


async def test_a_request_that_reads_does_not_wait_for_one_that_writes(
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


@pytest_asyncio.fixture
async def token(clean_database: Database, make_token: MakeToken) -> str:
    """Somebody's whom the database of `real_app` knows."""
    async with clean_database.session() as session:
        session.add(user := await new_user("somebody@example.com"))
        await session.commit()
    return make_token(user)


@pytest.fixture
def me(real_app: FastAPI, token: str) -> Callable[[], Awaitable[int]]:
    add_error_handlers(real_app)
    real_app.include_router(auth.router)

    async def get() -> int:
        async with clients.http_client(real_app, clients.bearer(token)) as client:
            return (await client.get("/auth/me")).status_code

    return get


async def test_a_request_that_finds_its_user_begins_no_session(
    me: Callable[[], Awaitable[int]], clean_database: Database
) -> None:
    asked: list[object] = []
    engine = clean_database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *arguments: asked.append(arguments))

    assert await me() == HTTPStatus.OK
    assert not asked


async def test_a_token_that_was_good_ends_in_its_time(
    me: Callable[[], Awaitable[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await me() == HTTPStatus.OK

    monkeypatch.setattr("app.auth.tokens.LEEWAY", timedelta(days=-1))  # as if a day had passed

    assert await me() == HTTPStatus.UNAUTHORIZED


async def test_a_handler_may_commit_and_roll_back_by_itself(
    real_app: FastAPI, clean_database: Database
) -> None:
    @real_app.post("/by-hand")
    async def by_hand(session: DbSession) -> None:
        session.add(await new_user("first"))
        await session.commit()
        session.add(await new_user("first"))
        with pytest.raises(IntegrityError):
            await session.commit()
        await session.rollback()
        session.add(await new_user("second"))

    assert await post(real_app, "/by-hand") == HTTPStatus.OK
    assert await count_users(clean_database.engine) == 2


def test_without_a_lifespan_the_error_says_what_is_missing() -> None:
    client = TestClient(create_app())

    with pytest.raises(RuntimeError, match="the lifespan has not run"):
        client.get("/auth/me", headers=clients.bearer("any"))


def test_the_session_can_be_overridden_as_in_the_tutorials() -> None:
    app = FastAPI()
    app.dependency_overrides[get_async_db] = lambda: "a session"

    @app.get("/session")
    async def session(session: Annotated[str, Depends(get_async_db)]) -> str:
        return session

    assert TestClient(app).get("/session").json() == "a session"
