"""Fixtures for all tests: a database that is rolled back, users, and clients of every kind."""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
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
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from app.auth.bearer import bearer_token
from app.auth.models import Role, User
from app.database import Database
from app.database.engine import create_engine
from app.main import app as service
from app.settings import Settings, get_settings
from tests import clients, mistakes, users
from tests.contracts import refuse_undeclared_statuses
from tests.leaks import Running, refuse_leaks
from tests.shared_database import SharedDatabase

pytest_plugins = [
    "tests.clock",
    "tests.databases",
    "tests.external_services",
    "tests.network",
    "tests.remedies",
]

event.listen(Session, "do_orm_execute", mistakes.refuse_lazy_loading)
service.router.lifespan_context = mistakes.start_once(service.router.lifespan_context)

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
        environment.setattr(time, "sleep", mistakes.sleep)
        environment.setenv("NO_PROXY", "*")  # the tests talk only to this machine
        yield environment


@pytest.fixture(autouse=True)
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    """Lower-level fixture: fail a test that leaves something running or changed."""
    names = request.fixturenames
    is_async = request.node.get_closest_marker("asyncio") and "anyio_backend" not in names
    with refuse_leaks(
        request.getfixturevalue("loop") if is_async or "loop" in names else None
    ) as running:
        yield running


@pytest_asyncio.fixture(scope="session")
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Lower-level fixture: the engine of the database that all tests of this process share."""
    engine = create_engine(database_url, pool_pre_ping=True)  # a test may break its connection
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def shared_database(
    engine: AsyncEngine, async_create_tables: None, running: Running
) -> AsyncIterator[SharedDatabase]:
    """Lower-level fixture: a connection that is rolled back, as the `Database` of `app`."""
    async with engine.connect() as connection:
        await connection.begin()
        running.accept()  # the connection, which later tests use again
        database = SharedDatabase(connection)
        yield database
        await database.close()


@pytest.fixture
def async_db(shared_database: SharedDatabase) -> AsyncSession:
    """A session to store and check rows; all its changes are rolled back after the test."""
    return shared_database.session_of_test


@pytest_asyncio.fixture
async def clean_database(clean_database_url: str) -> AsyncIterator[Database]:
    """A separate, migrated database, for races, real commits and several connections."""
    database = Database(clean_database_url)
    yield database
    in_use = database.connections_in_use
    await database.close()
    mistakes.refuse_open_sessions(in_use)


@pytest_asyncio.fixture
async def app(shared_database: SharedDatabase, issuer: None) -> AsyncIterator[FastAPI]:
    """The started application, to override dependencies, which are restored after the test."""
    overrides, service.dependency_overrides = service.dependency_overrides, {}
    async with service.router.lifespan_context(service):
        service.state.database = shared_database
        yield service
    service.dependency_overrides = overrides


@pytest.fixture
def fresh_settings() -> Iterator[None]:
    """Settings that are read again, for a fixture that sets environment variables."""
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def make_user(async_db: AsyncSession) -> MakeUser:
    """A function that stores a user, for tests with several; `users.new_user` has its options."""
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
    """A function that issues a user's access token; keyword arguments replace its claims."""
    return users.mint


@pytest.fixture
def auth_headers(user: User, make_token: MakeToken) -> dict[str, str]:
    """The `Authorization` header of `user`, for clients that are not signed in."""
    return clients.bearer(make_token(user))


@pytest_asyncio.fixture
async def admin_headers(make_user: MakeUser, make_token: MakeToken) -> dict[str, str]:
    """The `Authorization` header of an admin, for any client."""
    return clients.bearer(make_token(await make_user(role=Role.ADMIN)))


@pytest_asyncio.fixture
async def queries(
    async_db: AsyncSession, auth_headers: dict[str, str], trace_statements: TraceStatements
) -> AsyncIterator[list[str]]:
    """The list of SELECT statements so far, to find one query per row (N+1)."""
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
    """An HTTP client signed in as `user`, for most tests."""
    async with clients.http_client(app, signed_in) as client:
        yield client


@pytest_asyncio.fixture
async def anonymous_client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client that is not signed in, for refusals and for requests with headers."""
    async with clients.http_client(app) as client:
        yield client


@pytest.fixture
def ws_connect(app: FastAPI) -> WsConnect:
    """A function that opens a WebSocket in the event loop of the test, by `async with`."""
    return partial(clients.websocket, app)


@pytest_asyncio.fixture
async def live_server(app: FastAPI) -> AsyncIterator[str]:
    """The address of a real server, for endless streams and for effects of the network."""
    async with clients.live_server(app) as address:
        yield address


@pytest_asyncio.fixture(scope="session")
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
    checked = refuse_undeclared_statuses(mistakes.refuse_endless_responses(app))
    client = mistakes.SynchronousClient(checked, headers=signed_in)
    with clients.run_in_thread(loop) as client.portal:
        yield client
