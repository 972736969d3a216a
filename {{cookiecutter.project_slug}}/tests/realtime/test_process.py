"""What only a real process shows: `python -m app` on a port of its own."""

import asyncio
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect, aconnect_ws

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
SECONDS = 60  # for anything: other work may keep this machine busy


@dataclass
class Service:
    process: Process
    client: httpx.AsyncClient


@pytest_asyncio.fixture(scope="module")
async def services() -> AsyncIterator[list[Service]]:
    """One for each test: starting takes long, so they do it at the same time."""
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(running()) for _ in range(2)]
        deadline = time.monotonic() + SECONDS
        while not all([await answers(service.client) for service in services]):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        yield services


@asynccontextmanager
async def running() -> AsyncIterator[Service]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app"),
        cwd=ROOT,
        env=os.environ | {"PORT": str(port)},
        stdout=PIPE,
        stderr=STDOUT,
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS) as client:
        yield Service(process, client)
    with suppress(ProcessLookupError):  # it has ended, unless its test has failed
        process.kill()
    await process.wait()


@pytest.fixture
def service(services: list[Service]) -> Service:
    return services.pop()


@pytest.fixture
def process(service: Service) -> Process:
    return service.process


@pytest.fixture
def client(service: Service) -> httpx.AsyncClient:
    return service.client


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
