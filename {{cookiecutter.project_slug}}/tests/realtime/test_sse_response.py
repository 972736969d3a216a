import asyncio
from collections.abc import AsyncGenerator, Callable

import httpx
import pytest
from starlette.types import Message, Scope

from app.realtime.sse_response import EventStreamResponse
from tests import clients


@pytest.fixture
def closed() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def endless(closed: asyncio.Event) -> AsyncGenerator[bytes]:
    """Yield comments until the generator is closed."""

    async def comments() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b": comment\n\n"
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    return comments()


async def test_stream_ends_when_the_client_leaves(
    endless: AsyncGenerator[bytes], closed: asyncio.Event
) -> None:
    async with (
        clients.live_server(EventStreamResponse(endless)) as address,
        httpx.AsyncClient(base_url=address) as client,
    ):
        async with client.stream("GET", "/") as response:
            await anext(response.aiter_lines())
        async with asyncio.timeout(2):
            await closed.wait()


@pytest.mark.parametrize("way", ["abort", "cancel"])
async def test_stream_ends_although_the_client_does_not_read(
    way: str, endless: AsyncGenerator[bytes], closed: asyncio.Event
) -> None:
    sending = asyncio.Event()

    async def never_received() -> Message:
        return await asyncio.Future()

    async def never_sent(message: Message) -> None:
        if message["type"] == "http.response.body":
            sending.set()
            await asyncio.Future()

    scope: Scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
    response = EventStreamResponse(endless)
    stream = asyncio.create_task(response(scope, never_received, never_sent))
    await sending.wait()
    end: Callable[[], object] = response.abort if way == "abort" else stream.cancel
    end()
    await asyncio.wait([stream])

    assert closed.is_set()


async def test_exception_in_a_stream_is_raised() -> None:
    async def broken() -> AsyncGenerator[bytes]:
        yield b""
        raise ZeroDivisionError

    async with clients.http_client(EventStreamResponse(broken())) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/")


async def test_stream_that_was_aborted_before_it_started_can_be_read(
    endless: AsyncGenerator[bytes],
) -> None:
    response = EventStreamResponse(endless)
    response.abort()

    async with (
        clients.live_server(response) as address,
        httpx.AsyncClient(base_url=address) as client,
        client.stream("GET", "/") as stream,
    ):
        assert await anext(stream.aiter_lines()) == ": comment"
