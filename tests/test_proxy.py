"""nginx with the configuration of the service, in front of two processes and Redis."""

import asyncio
import itertools
import os
import re
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import install, system_program, uv_run
from conftest import Bake
from httpx_ws import AsyncWebSocketSession, HTTPXWSException, aconnect_ws

import demo
from nginx import Nginx

pytestmark = pytest.mark.installs

# `nox -s proxy` sets 120.
IDLE_SECONDS = float(os.environ.get("PROXY_IDLE_SECONDS", "3"))
PASSWORD = "correct horse battery staple"


class Replica:
    def __init__(self, project: Path, settings: dict[str, str]) -> None:
        self.port = demo.free_port()
        self._project = project
        self._settings = settings | {"PORT": str(self.port)}
        self._running = ExitStack()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the service and wait until it is ready."""
        serving = demo.running(["-m", "app"], self._project, self.port, **self._settings)
        self._running.enter_context(serving)

    def stop(self) -> None:
        self._running.close()

    def open_sockets(self) -> int:
        metrics = httpx.get(f"{self.address}/metrics", trust_env=False).text
        values = re.findall(r"^websockets_open\{.*\} ([\d.]+)$", metrics, re.MULTILINE)
        return int(sum(map(float, values)))


class Stack(Nginx):
    """nginx, two replicas, Redis and a database."""

    def __init__(self, replicas: list[Replica], directory: Path, project: Path) -> None:
        self.replicas = replicas
        super().__init__(
            system_program("nginx", "nginx-light"),
            directory,
            (project / "deploy" / "nginx.conf").read_text("utf-8"),
            [f"127.0.0.1:{replica.port}" for replica in replicas],
        )


@contextmanager
def redis_server(project: Path) -> Iterator[str]:
    """Run the Redis server of the service's own tests; yield its URL."""
    (server,) = project.glob(".venv/lib/**/valkey-server")
    port = demo.free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    process = subprocess.Popen([server, *options], stdout=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def stack(bake_into: Bake, workspace: Path) -> Iterator[Stack]:
    directory = workspace / "proxy"
    directory.mkdir()
    project = bake_into(directory, broker="redis")
    install(project)
    database = f"sqlite+aiosqlite:///{directory}/service.db"
    uv_run(project, "alembic", "upgrade", "head", DATABASE_URL=database)
    with redis_server(project) as broker, ExitStack() as running:
        settings = {
            "BROKER_URL": broker,
            "DATABASE_URL": database,
            "HEARTBEAT_SECONDS": str(IDLE_SECONDS),  # the stream is idle in between
            "LOG_LEVEL": "warning",
        }
        replicas = [Replica(project, settings) for _ in range(2)]
        stack = Stack(replicas, directory, project)
        for replica in replicas:
            replica.start()
            running.callback(replica.stop)
        with stack.running():
            yield stack


class User:
    """A user who reaches the service through nginx."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._slugs = (f"post-{number}-{time.time_ns()}" for number in itertools.count(1))

    async def sign_in(self) -> None:
        email = f"ada{time.time_ns()}@example.com"
        account = {"email": email, "password": PASSWORD}
        (await self._client.post("/auth/register", json=account)).raise_for_status()
        form = {"username": email, "password": PASSWORD}
        response = (await self._client.post("/auth/token", data=form)).raise_for_status()
        self._client.headers["Authorization"] = f"Bearer {response.json()['access_token']}"

    async def post(self) -> str | None:
        """Create a post; return its slug, or None if the request failed."""
        slug = next(self._slugs)
        try:
            response = await self._client.post("/posts/", json={"title": "Hello", "slug": slug})
        except httpx.TransportError:
            return None
        return slug if response.is_success else None

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[AsyncWebSocketSession]:
        socket: AsyncWebSocketSession
        async with aconnect_ws(
            "/ws/notifications", self._client, keepalive_ping_interval_seconds=None
        ) as socket:
            await socket.send_json({"type": "ping"})
            assert await socket.receive_json(timeout=60) == {"type": "pong"}
            yield socket


@asynccontextmanager
async def signed_in_user(address: str) -> AsyncIterator[User]:
    async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=400) as client:
        user = User(client)
        await user.sign_in()
        yield user


async def check_idle_connections(stack: Stack) -> None:
    async with AsyncExitStack() as exit_stack:
        ada = await exit_stack.enter_async_context(signed_in_user(stack.address))
        sockets = [await exit_stack.enter_async_context(ada.socket()) for _ in range(4)]
        assert all(replica.open_sockets() for replica in stack.replicas)
        enter = exit_stack.enter_async_context
        client = await enter(httpx.AsyncClient(base_url=stack.address, trust_env=False))
        response = await enter(client.stream("GET", "/events/heartbeat", timeout=400))
        lines = response.aiter_lines()
        started = time.monotonic()
        ids = [await next_id(lines), await next_id(lines)]
        assert time.monotonic() - started > IDLE_SECONDS * 0.9
        assert ids == ["1", "2"]
        slug = await ada.post()
        for socket in sockets:
            assert (await socket.receive_json(timeout=60))["data"]["slug"] == slug
        print(f"{len(sockets)} sockets and a stream were idle for {IDLE_SECONDS:.0f} s")


async def next_id(lines: AsyncIterator[str]) -> str:
    async for line in lines:
        if line.startswith("id: "):
            return line.removeprefix("id: ")
    raise AssertionError("the stream ended")


def test_idle_sockets_and_streams_stay_open_and_events_reach_both_processes(stack: Stack) -> None:
    asyncio.run(check_idle_connections(stack))


async def receive(ada: User, received: list[str], connected: asyncio.Event) -> int:
    """Collect slugs until cancelled; reconnect and resume when the socket closes.

    Returns the number of connections.
    """
    last_id, connections = None, 0
    while True:
        try:
            async with ada.socket() as socket:
                connections += 1
                if last_id:
                    await socket.send_json({"type": "resume", "after": last_id})
                connected.set()
                while True:
                    frame: dict[str, Any] = await socket.receive_json(timeout=60)
                    assert frame["type"] == "event", frame
                    last_id = frame["id"]
                    received.append(frame["data"]["slug"])
        except (
            HTTPXWSException,
            httpx.TransportError,
            ExceptionGroup,
        ):  # httpx-ws has a task group
            await asyncio.sleep(0.05)  # clients wait before they reconnect
        except asyncio.CancelledError:
            return connections


async def keep_posting(ada: User, published: list[str], failed: list[None]) -> None:
    while True:
        slug = await ada.post()
        published.append(slug) if slug else failed.append(None)
        await asyncio.sleep(0.02)


async def check_rolling_restart(stack: Stack) -> None:
    received: list[str] = []
    published: list[str] = []
    failed: list[None] = []
    connected = asyncio.Event()
    async with signed_in_user(stack.address) as ada, signed_in_user(stack.address) as bob:
        receiving = asyncio.create_task(receive(ada, received, connected))
        await connected.wait()
        publishing = asyncio.create_task(keep_posting(bob, published, failed))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(stack.reload)
        await asyncio.sleep(0.5)
        for replica in stack.replicas:
            await asyncio.to_thread(replica.stop)
            await asyncio.to_thread(replica.start)
        publishing.cancel()
        await asyncio.wait([publishing])
        async with asyncio.timeout(30):
            last = None
            while last is None:
                last = await bob.post()
            while last not in received:
                await asyncio.sleep(0.05)
        receiving.cancel()
        connections = await receiving
    lost = set(published) - set(received)
    print(
        f"{len(published)} events, {len(lost)} lost,"
        f" {len(received) - len(set(received))} duplicates,"
        f" {connections} connections, {len(failed)} requests failed"
    )
    assert lost == set()
    assert len(received) == len(set(received))
    assert connections > 1


def test_log_has_paths_but_no_tokens(stack: Stack) -> None:
    token = "u1s2Q3-aB4_cD5eF6gH7iJ8kL9mN0oP1qR2sT3uV4wX"
    paths = ["/short/path?to%6ben=secret", f"/invitations/{token}", f"/%{ord('a'):x}/{token}"]
    with httpx.Client(base_url=stack.address, trust_env=False) as client:
        statuses = {client.get(path).status_code for path in [*paths, "/last"]}

    log = wait_for_text(stack.log, '"GET /last"')
    assert statuses == {404}
    assert '"GET /short/path" 404' in log
    assert log.count('"GET [redacted]" 404') == 2
    assert token not in log
    assert "secret" not in log


def wait_for_text(path: Path, text: str) -> str:
    """Return the content of a log as soon as it contains a text; nginx writes it a bit later."""
    deadline = time.monotonic() + 10
    while text not in (content := path.read_text("utf-8")):
        assert time.monotonic() < deadline, content
        time.sleep(0.05)  # a file announces no change
    return content


def test_reload_and_rolling_restart_lose_no_event(stack: Stack) -> None:
    asyncio.run(check_rolling_restart(stack))
