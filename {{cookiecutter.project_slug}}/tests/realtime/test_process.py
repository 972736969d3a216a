"""What only a real process shows: `python -m app` on a port of its own."""

import asyncio
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect, aconnect_ws

from app.settings import get_settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
SECONDS = 60  # for anything: other work may keep this machine busy


@pytest_asyncio.fixture
async def process(client: httpx.AsyncClient) -> AsyncIterator[Process]:
    command = (sys.executable, "-m", "app")
    environment = os.environ | {"PORT": str(client.base_url.port)}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment, stdout=PIPE, stderr=STDOUT
    )
    deadline = time.monotonic() + SECONDS
    while not await answers(client):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    yield process
    with suppress(ProcessLookupError):  # it has ended, unless the test has failed
        process.kill()
    await process.wait()


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS) as client:
        yield client


async def answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health/live")).is_success
    except httpx.TransportError:
        return False


async def output(process: Process) -> str:
    """Return what it has written when it has ended."""
    written, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    return str(written.decode())


async def test_told_to_stop_it_completes_requests_and_ends_sockets_and_streams(
    process: Process, client: httpx.AsyncClient
) -> None:
    stopping = asyncio.Event()

    async def slow_body() -> AsyncIterator[bytes]:
        yield b"{"
        await stopping.wait()
        yield b"}"

    websocket: AsyncWebSocketSession
    async with (
        aconnect_ws("/ws/echo", client) as websocket,
        client.stream("GET", "/events/heartbeat") as stream,
    ):
        lines = stream.aiter_lines()
        await anext(lines)
        request = asyncio.create_task(client.post("/notifications", content=slow_body()))
        await asyncio.sleep(0.1)  # nothing tells when the service has its first byte

        process.send_signal(signal.SIGTERM)
        last = [line async for line in lines if line.startswith("retry: ")]
        ready = await client.get("/health/ready")
        stopping.set()

        assert last
        assert ready.status_code == 503
        assert (await request).status_code == 401
        with pytest.raises(WebSocketDisconnect) as closed:
            await websocket.receive(timeout=SECONDS)
        assert closed.value.code == 1012
    assert "Traceback" not in await output(process)


async def test_a_second_signal_ends_it_at_once(process: Process, client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/events/heartbeat") as stream:
        process.send_signal(signal.SIGINT)
        _ = [line async for line in stream.aiter_lines()]  # now it is stopping
        process.send_signal(signal.SIGINT)

    assert "Traceback" not in await output(process)
    assert process.returncode == -signal.SIGINT


async def test_a_frame_that_is_too_large_closes_its_socket(
    process: Process, client: httpx.AsyncClient
) -> None:
    websocket: AsyncWebSocketSession
    async with aconnect_ws("/ws/echo", client) as websocket:
        await websocket.send_text("x" * (get_settings().ws_max_frame_bytes + 1))
        with pytest.raises(WebSocketDisconnect) as closed:
            await websocket.receive(timeout=SECONDS)

    assert closed.value.code == 1009
