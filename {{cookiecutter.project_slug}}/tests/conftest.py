"""Fixtures for all tests: a database whose changes are undone, users, clients of every kind."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from fastapi.requests import HTTPConnection
from fastapi.testclient import TestClient
from httpx_ws import AsyncWebSocketSession
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.auth.bearer import bearer_token
from app.auth.models import Role, User
from app.database import Database
from app.engine import create_engine
from app.main import app as service
from app.settings import Settings, get_settings
from tests import clients, mistakes, users

pytest_plugins = ["tests.databases"]

MakeUser = Callable[..., Awaitable[User]]
MakeToken = Callable[..., str]
WsConnect = Callable[..., AbstractAsyncContextManager[AsyncWebSocketSession]]

# Nothing has read the settings yet: the tests see neither .env nor what this shell exports.
Settings.model_config["env_file"] = None
others = {
    name: os.environ[name] for name in os.environ if name.lower() not in Settings.model_fields
}
os.environ.clear()
os.environ.update(others)
os.environ |= users.ENVIRONMENT
os.environ["NO_PROXY"] = "*"  # the tests talk to nobody but this machine


@pytest_asyncio.fixture(scope="session")
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database_url)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def async_db(engine: AsyncEngine, async_create_tables: None) -> AsyncIterator[AsyncSession]:
    """A session in a transaction that is never committed: its own commits release savepoints."""
    async with engine.connect() as connection:
        await connection.begin()
        async with AsyncSession(
            connection, expire_on_commit=False, join_transaction_mode="create_savepoint"
        ) as session:
            yield session


@pytest_asyncio.fixture
async def clean_database(clean_database_url: str) -> AsyncIterator[Database]:
    """A database of its own, for what needs real commits or several connections at once."""
    database = Database(clean_database_url)
    yield database
    await database.close()


class SharedDatabase(Database):
    """Serves every request and every socket from the session of the test."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._loop = asyncio.get_running_loop()

    @asynccontextmanager
    async def session(self, *, read_only: bool = False) -> AsyncIterator[AsyncSession]:
        mistakes.refuse_another_loop(self._loop)
        savepoint = await self._session.begin_nested()
        try:
            yield self._session
        finally:
            if self._session.in_nested_transaction():  # it was not committed
                await savepoint.rollback()


@pytest_asyncio.fixture
async def app(async_db: AsyncSession, issuer: None) -> AsyncIterator[FastAPI]:
    """The service, started. What a test overrides is as before when the test ends."""
    overrides, service.dependency_overrides = service.dependency_overrides, {}
    lifespan = service.router.lifespan_context
    async with lifespan(service):
        service.state.database = SharedDatabase(async_db)
        service.router.lifespan_context = mistakes.refuse_second_start
        yield service
    service.router.lifespan_context = lifespan
    service.dependency_overrides = overrides


@pytest.fixture
def settings_read_anew() -> Iterator[None]:
    """Have the environment of the test count, and no other test notice."""
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def make_user(async_db: AsyncSession) -> MakeUser:
    """Store a user: `users.new_user` says what can be chosen."""
    numbers = itertools.count(1)

    async def make(name: str | None = None, **options: Any) -> User:
        user = await users.new_user(name or f"user{next(numbers)}@example.com", **options)
        async_db.add(user)
        await async_db.commit()
        return user

    return make


@pytest_asyncio.fixture
async def user(make_user: MakeUser) -> User:
    return await make_user("user@example.com")


@pytest_asyncio.fixture(scope="session")
async def issuer() -> AsyncIterator[None]:
    """Whoever issues the tokens is there."""
    async with users.issuer():
        yield


@pytest.fixture
def make_token(issuer: None) -> MakeToken:
    """Mint a user's access token; claims can be changed, and left out by None."""
    return users.mint


@pytest.fixture
def auth_headers(user: User, make_token: MakeToken) -> dict[str, str]:
    return clients.bearer(make_token(user))


@pytest_asyncio.fixture
async def admin_headers(make_user: MakeUser, make_token: MakeToken) -> dict[str, str]:
    return clients.bearer(make_token(await make_user(role=Role.ADMIN)))


@pytest.fixture
def queries(engine: AsyncEngine, auth_headers: dict[str, str]) -> Iterator[list[str]]:
    """What the database is asked to read, once there is a user."""
    asked: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("SELECT"):
            asked.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine.sync_engine, "before_cursor_execute", note)


@pytest.fixture
def signed_in(app: FastAPI, user: User, make_token: MakeToken) -> dict[str, str]:
    """Headers whose requests are `user`'s by dependency override; other requests are not."""

    async def signed_in_token(connection: HTTPConnection) -> str | None:
        if "X-Signed-In" in connection.headers and "Authorization" not in connection.headers:
            return make_token(user)
        return await bearer_token(connection)

    app.dependency_overrides[bearer_token] = signed_in_token
    return {"X-Signed-In": "yes"}


@pytest_asyncio.fixture
async def async_client(app: FastAPI, signed_in: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """Signed in as `user`, in the loop and the transaction of the test."""
    async with clients.http_client(app, signed_in) as client:
        yield client


@pytest_asyncio.fixture
async def anonymous_client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Nobody, but for requests that carry `auth_headers`."""
    async with clients.http_client(app) as client:
        yield client


@pytest.fixture
def ws_connect(app: FastAPI) -> WsConnect:
    """Open WebSockets in the loop and the transaction of the test."""
    return partial(clients.websocket, app)


@pytest_asyncio.fixture
async def live_server(app: FastAPI) -> AsyncIterator[str]:
    """The address of a real server in the loop and the transaction of the test."""
    async with clients.live_server(app) as address:
        yield address


@pytest_asyncio.fixture
async def loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


@pytest.fixture
def client(
    app: FastAPI,
    signed_in: dict[str, str],
    loop: asyncio.AbstractEventLoop,
    request: pytest.FixtureRequest,
) -> Iterator[TestClient]:
    """Starlette's TestClient for synchronous tests: as `async_client`, in the same transaction.

    A TestClient starts a loop of its own, where the connection of the test is of no use.
    """
    if request.node.get_closest_marker("asyncio"):
        pytest.fail("`client` would block this `async def` test: take `async_client`")
    client = mistakes.SynchronousClient(mistakes.impatient(app), headers=signed_in)
    with clients.running_in_thread(loop) as client.portal:
        yield client
