"""Shutdown by signals, with `python -m app` in separate processes."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect, aconnect_ws

from tests.clients import network_client
from tests.waiting import WAIT_SECONDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@dataclass
class Service:
    process: Process
    address: str


@pytest_asyncio.fixture(scope="module")
async def services() -> AsyncIterator[list[Service]]:
    """Services for all tests, started concurrently because a start takes long."""
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(running()) for _ in range(2)]
        yield [Service(process, await address_of(process)) for process in processes]


@asynccontextmanager
async def running() -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app"),
        cwd=ROOT,
        env=os.environ | {"PORT": "0"},
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # it has exited, unless its test has failed
            process.kill()
        await process.wait()


@pytest.fixture
def service(services: list[Service]) -> Service:
    return services.pop()


@pytest.fixture
def process(service: Service) -> Process:
    return service.process


@pytest_asyncio.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with network_client(service.address) as client:
        yield client


async def address_of(process: Process) -> str:
    """Wait until a service listens, and return its address."""
    assert process.stdout
    async with asyncio.timeout(WAIT_SECONDS):
        await process.stdout.readuntil(b"Listening at ")
        line = await process.stdout.readline()
    return line.split()[0].decode()


async def output(process: Process) -> str:
    """Wait until the process exits and return its output."""
    written, _ = await asyncio.wait_for(process.communicate(), WAIT_SECONDS)
    return str(written.decode())


async def test_sigterm_completes_requests_and_closes_sockets_and_streams(
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
        await asyncio.sleep(0.1)  # until the service has received the first byte

        process.send_signal(signal.SIGTERM)
        retries = [line async for line in lines if line.startswith("retry: ")]
        ready = await client.get("/health/ready")
        stopping.set()

        assert retries
        assert ready.status_code == 503
        assert (await request).status_code == 401
        with pytest.raises(WebSocketDisconnect) as closed:
            await websocket.receive()
        assert closed.value.code == 1012
    assert "Traceback" not in await output(process)


async def test_second_signal_ends_the_process_at_once(
    process: Process, client: httpx.AsyncClient
) -> None:
    async with client.stream("GET", "/events/heartbeat") as stream:
        process.send_signal(signal.SIGINT)
        _ = [line async for line in stream.aiter_lines()]  # the shutdown has begun
        process.send_signal(signal.SIGINT)

    assert "Traceback" not in await output(process)
    assert process.returncode == -signal.SIGINT
