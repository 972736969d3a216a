import asyncio
from collections.abc import AsyncGenerator

import httpx
import pytest
from starlette.types import Message, Scope

from app.realtime.streams import EventStream
from tests import clients


@pytest.fixture
def ended() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def endless(ended: asyncio.Event) -> AsyncGenerator[bytes]:
    async def beat() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b": beat\n\n"
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    return beat()


async def test_a_stream_ends_when_its_reader_leaves(
    endless: AsyncGenerator[bytes], ended: asyncio.Event
) -> None:
    async with (
        clients.live_server(EventStream(endless)) as address,
        httpx.AsyncClient(base_url=address) as client,
    ):
        async with client.stream("GET", "/") as response:
            await anext(response.aiter_lines())
        async with asyncio.timeout(2):
            await ended.wait()


@pytest.mark.parametrize("way", ["cut", "cancel"])
async def test_a_stream_ends_while_its_reader_does_not_read(
    way: str, endless: AsyncGenerator[bytes], ended: asyncio.Event
) -> None:
    sending = asyncio.Event()

    async def never_received() -> Message:
        return await asyncio.Future()

    async def never_sent(message: Message) -> None:
        if message["type"] == "http.response.body":
            sending.set()
            await asyncio.Future()

    scope: Scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
    response = EventStream(endless)
    stream = asyncio.create_task(response(scope, never_received, never_sent))
    await sending.wait()
    {"cut": lambda: response.cut(), "cancel": stream.cancel}[way]()
    await asyncio.wait([stream])

    assert ended.is_set()


async def test_a_bug_in_a_stream_does_not_stay_hidden() -> None:
    async def broken() -> AsyncGenerator[bytes]:
        yield b""
        raise ZeroDivisionError

    async with clients.http_client(EventStream(broken())) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/")
