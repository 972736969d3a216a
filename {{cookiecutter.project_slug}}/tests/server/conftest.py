from collections.abc import AsyncIterator

import pytest_asyncio

from tests.server import raw_http


@pytest_asyncio.fixture
async def server(issuer: None) -> AsyncIterator[raw_http.Server]:
    """A real server with a small application."""
    async with raw_http.serving() as server:
        yield server
