"""Open sockets and streams take no connections from the pool."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from httpx_ws import aconnect_ws

from app.auth.models import User
from app.database import Database
from tests import clients, users
from tests.waiting import WAIT_SECONDS

OPEN = 100  # sockets, and as many streams


@pytest.fixture
def connections_allowed(monkeypatch: pytest.MonkeyPatch, fresh_settings: None) -> None:
    monkeypatch.setenv("WS_MAX_SOCKETS_PER_USER", str(2 * OPEN))


@pytest_asyncio.fixture
async def client(
    connections_allowed: None, app: FastAPI, clean_database: Database
) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a token, of a server whose requests take connections from a pool."""
    async with clean_database.session() as session:
        user: User = await users.new_user("user@example.com")
        session.add(user)
        await session.commit()
    app.state.database = clean_database
    limits = httpx.Limits(max_connections=None)
    headers = clients.bearer(users.mint(user))
    async with (
        clients.live_server(app) as address,
        httpx.AsyncClient(
            base_url=address, headers=headers, limits=limits, timeout=WAIT_SECONDS
        ) as client,
    ):
        yield client


async def test_open_sockets_and_streams_hold_no_database_connection(
    client: httpx.AsyncClient, clean_database: Database
) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(OPEN):
            await stack.enter_async_context(aconnect_ws("/ws/notifications", client))
            stream = client.stream("GET", "/events/notifications")
            assert (await stack.enter_async_context(stream)).is_success
        assert clean_database.connections_in_use == 0

        assert (await client.get("/auth/me")).is_success
        async with clean_database.session() as writer:  # on SQLite there is only one
            await writer.connection()
