import asyncio
from collections.abc import AsyncGenerator, Callable

import httpx
import pytest
from starlette.types import Message, Scope

from app.realtime.sse_response import EventStreamResponse, retry_event
from tests import clients
from tests.clients import network_client
from tests.waiting import limited


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
        network_client(address) as client,
    ):
        async with client.stream("GET", "/") as response:
            await anext(response.aiter_lines())
        async with limited():
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


async def test_aborted_stream_ends_as_a_cancelled_request(
    endless: AsyncGenerator[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    response = EventStreamResponse(endless)
    async with (
        clients.live_server(response) as address,
        network_client(address) as client,
        client.stream("GET", "/") as stream,
    ):
        lines = stream.aiter_lines()
        await anext(lines)
        response.abort()
        with pytest.raises(httpx.RemoteProtocolError):
            [line async for line in lines]

    # app/observability/logs.py drops such records, because slow readers are expected.
    causes = [record.exc_info and record.exc_info[0] for record in caplog.records]
    assert causes == [asyncio.CancelledError]


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
        network_client(address) as client,
        client.stream("GET", "/") as stream,
    ):
        assert await anext(stream.aiter_lines()) == ": comment"


def test_clients_reconnect_at_different_times() -> None:
    assert len({retry_event() for _ in range(100)}) > 1
