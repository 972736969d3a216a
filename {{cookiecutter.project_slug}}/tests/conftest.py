"""Fixtures for all tests: a database that is rolled back, users, and clients of every kind."""

import asyncio
import itertools
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from fastapi.requests import HTTPConnection
from fastapi.testclient import TestClient
from httpx_ws import AsyncWebSocketSession
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.pool import PoolProxiedConnection

from app.auth.bearer import bearer_token
from app.auth.models import Role, User
from app.database import Database
from app.database.engine import create_engine
from app.database.outages import ReadOnlySessionError
from app.database.sessions import refuse_statements
from app.main import app as service
from app.settings import Settings, get_settings
from tests import clients, mistakes, users

pytest_plugins = ["tests.databases"]

WRITES = re.compile(
    r"\s*(INSERT|UPDATE|DELETE|REPLACE|MERGE|CREATE|ALTER|DROP|TRUNCATE)\b"
    r"|\s*WITH\b.*\b(INSERT|UPDATE|DELETE)\b",
    re.IGNORECASE | re.DOTALL,
)

MakeUser = Callable[..., Awaitable[User]]
MakeToken = Callable[..., str]
TraceStatements = Callable[
    [AsyncConnection, Callable[[str], None]], AbstractAsyncContextManager[None]
]
WsConnect = Callable[..., AbstractAsyncContextManager[AsyncWebSocketSession]]


@pytest.fixture(scope="session", autouse=True)
def environment() -> Iterator[pytest.MonkeyPatch]:
    """Lower-level fixture: hide `.env` and the shell's settings; set those of the tests."""
    with isolated_environment() as environment:
        yield environment


@contextmanager
def isolated_environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setitem(Settings.model_config, "env_file", None)
        for name in list(os.environ):
            if name.lower() in Settings.model_fields:
                environment.delenv(name)
        users.configure(environment)
        environment.setenv("NO_PROXY", "*")  # the tests talk only to this machine
        yield environment


@pytest_asyncio.fixture(scope="session")
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Lower-level fixture: the engine of the database that all tests of this process share."""
    engine = create_engine(database_url)
    event.listen(engine.sync_engine, "before_cursor_execute", refuse_writes)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def async_db(engine: AsyncEngine, async_create_tables: None) -> AsyncIterator[AsyncSession]:
    """A session that is rolled back after the test; its own commits release savepoints."""
    async with engine.connect() as connection:
        await connection.begin()
        async with AsyncSession(
            connection, expire_on_commit=False, join_transaction_mode="create_savepoint"
        ) as session:
            yield session


@pytest_asyncio.fixture
async def clean_database(clean_database_url: str) -> AsyncIterator[Database]:
    """A separate, migrated database, for tests of real commits or concurrent connections."""
    database = Database(clean_database_url)
    yield database
    await database.close()


def refuse_writes(connection: Connection, _: object, statement: str, *__: object) -> None:
    """Raise the error of a read-only session: GET requests share a connection that can write."""
    if connection.info.get("read_only") and WRITES.match(statement):
        raise ReadOnlySessionError


class SharedDatabase(Database):
    """Serves every request and every socket from the session of the test."""

    def __init__(self, session: AsyncSession, engine: AsyncEngine) -> None:
        self.engine = self.write_engine = engine
        self._session = session
        self._loop = asyncio.get_running_loop()
        session.info["database"] = self

    @asynccontextmanager
    async def session(self, *, read_only: bool = False) -> AsyncIterator[AsyncSession]:
        mistakes.refuse_another_loop(self._loop)
        savepoint = await self._session.begin_nested()
        connection = await self._session.connection()
        outer = connection.info.get("read_only", False)
        connection.info["read_only"] = self._session.info["read_only"] = read_only
        try:
            yield self._session
        finally:
            connection.info["read_only"] = self._session.info["read_only"] = outer
            if self._session.in_nested_transaction():  # not committed
                await savepoint.rollback()

    @asynccontextmanager
    async def socket_session(self) -> AsyncIterator[AsyncSession]:
        mistakes.refuse_another_loop(self._loop)
        session = AsyncSession(info={"database": self})
        refuse_statements(session)
        yield session

    @asynccontextmanager
    async def hot_connection(self) -> AsyncIterator[PoolProxiedConnection]:
        connection = await self._session.connection()
        yield await connection.get_raw_connection()


@pytest_asyncio.fixture
async def app(async_db: AsyncSession, engine: AsyncEngine, issuer: None) -> AsyncIterator[FastAPI]:
    """The started application; dependency overrides are removed after the test."""
    overrides, service.dependency_overrides = service.dependency_overrides, {}
    lifespan = service.router.lifespan_context
    async with lifespan(service):
        service.state.database = SharedDatabase(async_db, engine)
        service.router.lifespan_context = mistakes.refuse_second_start
        yield service
    service.router.lifespan_context = lifespan
    service.dependency_overrides = overrides


@pytest.fixture
def fresh_settings() -> Iterator[None]:
    """Read the settings again, so that environment variables set by this test count."""
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def make_user(async_db: AsyncSession) -> MakeUser:
    """A function that stores a user; see `users.new_user` for its options."""
    numbers = itertools.count(1)

    async def make(name: str | None = None, **options: Any) -> User:
        user = await users.new_user(name or f"user{next(numbers)}@example.com", **options)
        async_db.add(user)
        await async_db.commit()
        return user

    return make


@pytest_asyncio.fixture
async def user(make_user: MakeUser) -> User:
    """A stored user, who is signed in with `async_client` and `client`."""
    return await make_user("user@example.com")


@pytest_asyncio.fixture(scope="session")
async def issuer() -> AsyncIterator[None]:
    """Lower-level fixture: run the issuer of the tokens."""
    async with users.issuer():
        yield


@pytest.fixture
def make_token(issuer: None) -> MakeToken:
    """A function that issues a user's access token; keyword arguments replace claims."""
    return users.mint


@pytest.fixture
def auth_headers(user: User, make_token: MakeToken) -> dict[str, str]:
    """The `Authorization` header of `user`."""
    return clients.bearer(make_token(user))


@pytest_asyncio.fixture
async def admin_headers(make_user: MakeUser, make_token: MakeToken) -> dict[str, str]:
    """The `Authorization` header of an admin."""
    return clients.bearer(make_token(await make_user(role=Role.ADMIN)))


@pytest_asyncio.fixture
async def queries(
    async_db: AsyncSession, auth_headers: dict[str, str], trace_statements: TraceStatements
) -> AsyncIterator[list[str]]:
    """The SELECT statements that reach the database, once `user` is stored."""
    selects: list[str] = []

    def note(statement: str) -> None:
        if statement.startswith("SELECT"):
            selects.append(statement)

    async with trace_statements(await async_db.connection(), note):
        yield selects


@pytest.fixture
def signed_in(app: FastAPI, user: User, make_token: MakeToken) -> dict[str, str]:
    """Lower-level fixture: headers that sign requests in as `user` by a dependency override."""

    async def signed_in_token(connection: HTTPConnection) -> str | None:
        if "X-Signed-In" in connection.headers and "Authorization" not in connection.headers:
            return make_token(user)
        return await bearer_token(connection)

    app.dependency_overrides[bearer_token] = signed_in_token
    return {"X-Signed-In": "yes"}


@pytest_asyncio.fixture
async def async_client(app: FastAPI, signed_in: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client signed in as `user`, in the event loop and the transaction of the test."""
    async with clients.http_client(app, signed_in) as client:
        yield client


@pytest_asyncio.fixture
async def anonymous_client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client that is not signed in, except for requests with `auth_headers`."""
    async with clients.http_client(app) as client:
        yield client


@pytest.fixture
def ws_connect(app: FastAPI) -> WsConnect:
    """A function that opens a WebSocket in the event loop and the transaction of the test."""
    return partial(clients.websocket, app)


@pytest_asyncio.fixture
async def live_server(app: FastAPI) -> AsyncIterator[str]:
    """The address of a real server in the event loop and the transaction of the test."""
    async with clients.live_server(app) as address:
        yield address


@pytest_asyncio.fixture
async def loop() -> asyncio.AbstractEventLoop:
    """Lower-level fixture: the event loop of the tests."""
    return asyncio.get_running_loop()


@pytest.fixture
def client(
    app: FastAPI,
    signed_in: dict[str, str],
    loop: asyncio.AbstractEventLoop,
    request: pytest.FixtureRequest,
) -> Iterator[TestClient]:
    """Starlette's TestClient for synchronous tests, signed in like `async_client`.

    An ordinary TestClient starts a separate event loop, which cannot use the test's connection.
    """
    if request.node.get_closest_marker("asyncio"):
        pytest.fail("`client` would block this `async def` test: use `async_client`")
    client = mistakes.SynchronousClient(mistakes.refuse_endless_responses(app), headers=signed_in)
    with clients.run_in_thread(loop) as client.portal:
        yield client
