"""Authentication with real connections: nothing is overridden, and each test has a database."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from http import HTTPStatus

import pytest
import pytest_asyncio
from fastapi import FastAPI, WebSocket
from sqlalchemy import event

from app.auth.dependencies import CurrentToken
from app.auth.models import User
from app.database import Database
from app.database.outages import ReadOnlySessionError
from app.dependencies import CurrentUser, DbSession
from app.errors import add_error_handlers
from tests.clients import bearer, http_client, websocket
from tests.conftest import MakeToken
from tests.users import new_user
from tests.waiting import limited


@pytest.fixture
def small_app(clean_database: Database) -> FastAPI:
    app = FastAPI()
    app.state.database = clean_database
    add_error_handlers(app)
    return app


@pytest_asyncio.fixture
async def token(clean_database: Database, make_token: MakeToken) -> str:
    """Return the token of a user in the clean database."""
    async with clean_database.session() as session:
        session.add(stored := await new_user("ada@example.com"))
        await session.commit()
    return make_token(stored)


async def test_post_requests_that_only_authenticate_run_concurrently(
    small_app: FastAPI, token: str, clean_database: Database
) -> None:
    all_authenticated = asyncio.Barrier(4)

    @small_app.post("/wait")
    async def wait(session: DbSession, user: CurrentUser) -> int:
        async with limited():
            await all_authenticated.wait()
        assert clean_database.connections_in_use == 0
        return user.id

    async with http_client(small_app, bearer(token)) as client:
        responses = await asyncio.gather(*(client.post("/wait") for _ in range(4)))

    assert [response.status_code for response in responses] == [HTTPStatus.OK] * 4


async def test_route_can_depend_on_the_verified_token(
    small_app: FastAPI, token: str, clean_database: Database
) -> None:
    @small_app.get("/user-id")
    async def read_user_id(access_token: CurrentToken) -> int:
        return access_token.user_id

    async with http_client(small_app, bearer(token)) as client:
        response = await client.get("/user-id")

    assert response.json() == 1
    assert clean_database.connections_in_use == 0


async def test_authentication_begins_no_transaction(
    small_app: FastAPI, token: str, clean_database: Database
) -> None:
    begun: list[object] = []
    for engine in (clean_database.engine, clean_database.write_engine):
        event.listen(engine.sync_engine, "begin", begun.append)

    @small_app.post("/id")
    async def read_id(session: DbSession, user: CurrentUser) -> int:
        return user.id

    async with http_client(small_app, bearer(token)) as client:
        assert (await client.post("/id")).status_code == HTTPStatus.OK

    assert not begun


async def test_accepted_token_expires_although_its_verification_is_cached(
    small_app: FastAPI, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @small_app.get("/id")
    async def read_id(user: CurrentUser) -> int:
        return user.id

    async with http_client(small_app, bearer(token)) as client:
        assert (await client.get("/id")).status_code == HTTPStatus.OK
        monkeypatch.setattr("app.auth.tokens.LEEWAY", timedelta(days=-1))  # as if a day had passed
        assert (await client.get("/id")).status_code == HTTPStatus.UNAUTHORIZED


async def test_open_websockets_with_a_current_user_hold_no_connection(
    small_app: FastAPI, token: str, clean_database: Database
) -> None:
    @small_app.websocket("/ws")
    async def serve(socket: WebSocket, user: CurrentUser) -> None:
        await socket.accept()
        await socket.send_text(str(user.id))
        await socket.receive()

    @small_app.post("/users")
    async def write(session: DbSession, user: CurrentUser) -> None:
        session.add(await new_user("bob@example.com"))

    async with AsyncExitStack() as sockets:
        for _ in range(200):
            socket = await sockets.enter_async_context(websocket(small_app, "/ws", token))
            assert int(await socket.receive_text()) > 0

        assert clean_database.connections_in_use == 0
        async with http_client(small_app, bearer(token)) as client:
            assert (await client.post("/users")).status_code == HTTPStatus.OK


async def test_get_route_that_changes_the_current_user_is_refused_with_the_remedy(
    small_app: FastAPI, token: str, clean_database: Database
) -> None:
    @small_app.get("/deactivate")
    async def deactivate(session: DbSession, user: CurrentUser) -> None:
        (await session.get_one(User, user.id)).active = False

    async with http_client(small_app, bearer(token)) as client:
        with pytest.raises(ReadOnlySessionError, match="write in a POST, PUT, PATCH or DELETE"):
            await client.get("/deactivate")

    assert clean_database.connections_in_use == 0
