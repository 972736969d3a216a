import asyncio
import itertools
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.types import Message, Scope

from app.realtime import events
from app.realtime.hub import Hub
from app.settings import Settings, get_settings
from tests import clients

PATH = "/events/heartbeat"


@pytest.fixture(autouse=True)
def _fast(app: FastAPI) -> None:
    """Beat every hundredth of a second."""
    settings = Settings(heartbeat_seconds=0.01)
    app.dependency_overrides[get_settings] = lambda: settings


def parse(stream: str) -> list[dict[str, str]]:
    blocks = stream.removesuffix("\n\n").split("\n\n")
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


async def test_a_beat_has_a_name_an_id_and_the_time(anonymous_client: httpx.AsyncClient) -> None:
    response = await anonymous_client.get(PATH, params={"count": 2})

    beats = parse(response.text)
    assert [(beat["event"], beat["id"]) for beat in beats] == [
        ("heartbeat", "1"),
        ("heartbeat", "2"),
    ]
    for beat in beats:
        time = datetime.fromisoformat(json.loads(beat["data"])["time"])
        assert timedelta(0) <= datetime.now(UTC) - time < timedelta(seconds=10)


async def test_a_stream_is_neither_stored_nor_held_back(
    anonymous_client: httpx.AsyncClient,
) -> None:
    headers = (await anonymous_client.get(PATH, params={"count": 1})).headers

    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert headers["x-accel-buffering"] == "no"


async def test_a_stream_of_no_beats_is_refused(anonymous_client: httpx.AsyncClient) -> None:
    assert (await anonymous_client.get(PATH, params={"count": 0})).status_code == 422
    assert (await anonymous_client.post(PATH)).status_code == 405


async def test_the_first_beat_comes_at_once(
    app: FastAPI, anonymous_client: httpx.AsyncClient
) -> None:
    app.dependency_overrides[get_settings] = lambda: Settings(heartbeat_seconds=3600)

    assert len(parse((await anonymous_client.get(PATH, params={"count": 1})).text)) == 1


async def test_between_two_beats_lies_the_interval() -> None:
    stream = "".join([beat.decode() async for beat in events.beats(Hub(), 0.05, count=3)])

    times = [datetime.fromisoformat(json.loads(beat["data"])["time"]) for beat in parse(stream)]
    for earlier, later in itertools.pairwise(times):
        assert later - earlier >= timedelta(seconds=0.049)  # timers may fire a tick early


async def test_the_beats_end_when_the_service_stops() -> None:
    hub = Hub()
    beats = events.beats(hub, 3600)
    await anext(beats)
    second = asyncio.create_task(anext(beats, b"the end"))
    await asyncio.sleep(0)

    hub.stop()

    assert await second == b"the end"


async def test_the_stream_goes_on_while_it_is_read(live_server: str) -> None:
    async with (
        httpx.AsyncClient(base_url=live_server) as client,
        client.stream("GET", PATH) as response,
    ):
        lines = response.aiter_lines()
        first, *_, fifth = [await anext(lines) for _ in range(5)]

    assert first == fifth == "event: heartbeat"


def test_the_stream_can_be_read_from_a_synchronous_test_too(client: TestClient) -> None:
    with client.stream("GET", PATH) as response:
        lines = list(itertools.islice(response.iter_lines(), 5))

    assert lines[0] == lines[4] == "event: heartbeat"


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
        clients.live_server(events.EventStream(endless)) as address,
        httpx.AsyncClient(base_url=address) as client,
    ):
        async with client.stream("GET", "/") as response:
            await anext(response.aiter_lines())
        async with asyncio.timeout(2):
            await ended.wait()


async def test_a_stream_ends_while_its_reader_does_not_read(
    endless: AsyncGenerator[bytes], ended: asyncio.Event
) -> None:
    sending = asyncio.Event()

    async def never_received() -> Message:
        return await asyncio.Future()

    async def never_sent(message: Message) -> None:
        if message["type"] == "http.response.body":
            sending.set()
            await asyncio.Future()

    scope: Scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
    response = events.EventStream(endless)
    stream = asyncio.create_task(response(scope, never_received, never_sent))
    await sending.wait()
    stream.cancel()
    await asyncio.wait([stream])

    assert ended.is_set()


async def test_a_bug_in_a_stream_does_not_stay_hidden() -> None:
    async def broken() -> AsyncGenerator[bytes]:
        yield b""
        raise ZeroDivisionError

    async with clients.http_client(events.EventStream(broken())) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/")
