"""Breaks PostgreSQL in many ways under load; runs in a service: `faults.py DIRECTORY PORT`.

Meanwhile clients keep their connections, a WebSocket and an event stream. Prints a table; fails if
an error is not a 503 in time, or if the service does not recover by itself.
"""

import asyncio
import importlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, os.getcwd())

import httpx
from app.database import Database
from httpx_ws import AsyncWebSocketSession, aconnect_ws
from sqlalchemy import URL, text

# Imported by name, because Mypy would take the template's package `tests` for the service's.
clients, users, postgresql = map(
    importlib.import_module, ("tests.clients", "tests.users", "tests.postgresql")
)

CLIENTS = 12
MAX_RESPONSE_SECONDS = 10  # the service allows itself 5; a busy machine takes longer
MAX_RECOVERY_SECONDS = 30
LAST_SLUG = "the-last-post"
Server = Any  # tests.postgresql.Server
Fault = Callable[["Environment"], AbstractAsyncContextManager[None]]


@dataclass
class Row:
    """The observations during one fault."""

    fault: str
    responses: Counter[int] = field(default_factory=Counter)
    slowest: float = 0
    live: Counter[int] = field(default_factory=Counter)
    ready: set[str] = field(default_factory=set)
    recovery: float = 0

    def __str__(self) -> str:
        def counts(responses: Counter[int]) -> str:
            return ", ".join(f"{number} x {status}" for status, number in sorted(responses.items()))

        cells = [self.fault, counts(self.responses), f"{self.slowest:.1f} s", counts(self.live)]
        cells += [", ".join(sorted(self.ready)), f"{self.recovery:.1f} s"]
        return "| " + " | ".join(cells) + " |"


class Proxy:
    """Forwards connections to the database; can stop forwarding without closing them."""

    def __init__(self, target: Path, directory: Path) -> None:
        self.target, self.directory = target / ".s.PGSQL.5432", directory
        self.forwarding = asyncio.Event()
        self.forwarding.set()

    async def serve(self) -> None:
        path = self.directory / ".s.PGSQL.5432"
        await asyncio.start_unix_server(self._connected, path)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.forwarding.wait()
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(self.target)
        except OSError:  # the server is down and would refuse the connection
            writer.close()
            return
        await asyncio.wait(
            [
                asyncio.create_task(self._forward(reader, server_writer)),
                asyncio.create_task(self._forward(server_reader, writer)),
            ]
        )

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self.forwarding.wait()
                writer.write(data)
        writer.close()


@dataclass
class Environment:
    server: Server
    proxy: Proxy
    url: URL

    def start_server(self) -> None:
        """Start the server; retry, because killed processes may still hold its directory."""
        deadline = time.monotonic() + MAX_RECOVERY_SECONDS
        while True:
            try:
                self.server.start()
                return
            except subprocess.CalledProcessError:
                assert time.monotonic() < deadline
                time.sleep(0.1)  # there is no event to wait for

    async def execute(self, statement: str) -> None:
        url = self.server.url.set(database="postgres").render_as_string(hide_password=False)
        database = Database(url)
        async with database.write_engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.exec_driver_sql(statement)
        await database.close()

    async def terminate_backends(self) -> None:
        await self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'service'"
        )

    def pids(self) -> Iterator[int]:
        yield self.server.pid
        listing = ["ps", "-o", "pid=", "--ppid", str(self.server.pid)]
        yield from map(int, subprocess.check_output(listing).split())


@asynccontextmanager
async def stopped(environment: Environment) -> AsyncIterator[None]:
    await asyncio.to_thread(environment.server.stop)
    yield
    await asyncio.to_thread(environment.start_server)


@asynccontextmanager
async def killed(environment: Environment) -> AsyncIterator[None]:
    os.kill(environment.server.pid, signal.SIGKILL)
    yield
    await asyncio.to_thread(environment.start_server)


@asynccontextmanager
async def suspended(environment: Environment) -> AsyncIterator[None]:
    pids = list(environment.pids())
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def unresponsive_network(environment: Environment) -> AsyncIterator[None]:
    environment.proxy.forwarding.clear()
    yield
    environment.proxy.forwarding.set()


@asynccontextmanager
async def renamed(environment: Environment) -> AsyncIterator[None]:
    await environment.execute("ALTER DATABASE service ALLOW_CONNECTIONS false")
    await environment.terminate_backends()
    await environment.execute("ALTER DATABASE service RENAME TO elsewhere")
    yield
    await environment.execute("ALTER DATABASE elsewhere RENAME TO service")
    await environment.execute("ALTER DATABASE service ALLOW_CONNECTIONS true")


@asynccontextmanager
async def read_only(environment: Environment) -> AsyncIterator[None]:
    await environment.execute("ALTER DATABASE service SET default_transaction_read_only = on")
    await environment.terminate_backends()
    yield
    await environment.execute("ALTER DATABASE service RESET default_transaction_read_only")
    await environment.terminate_backends()


@asynccontextmanager
async def locked(environment: Environment) -> AsyncIterator[None]:
    url = environment.server.url.set(database="service").render_as_string(hide_password=False)
    database = Database(url)
    async with database.session() as session:
        await session.execute(text("LOCK TABLE posts"))
        yield
    await database.close()


@asynccontextmanager
async def restarted(environment: Environment) -> AsyncIterator[None]:
    await asyncio.to_thread(environment.server.stop)
    await asyncio.to_thread(environment.start_server)
    yield


@asynccontextmanager
async def backends_terminated(environment: Environment) -> AsyncIterator[None]:
    await environment.terminate_backends()
    yield


FAULTS: dict[str, Fault] = {
    "server stopped": stopped,
    "server killed": killed,
    "server suspended": suspended,
    "network unresponsive": unresponsive_network,
    "database renamed": renamed,
    "database read-only": read_only,
    "table locked: statement timeouts, pool exhausted": locked,
    "server restarted": restarted,
    "all backends terminated": backends_terminated,
}
SHORT_FAULTS = {restarted, backends_terminated}  # over before the clients start


def local_port(response: httpx.Response) -> int:
    port: int = response.extensions["network_stream"].get_extra_info("client_addr")[1]
    return port


async def send_requests(
    client: httpx.AsyncClient, row: Row, over: asyncio.Event, ports: set[int]
) -> None:
    """Write and read in turn until the fault is over; record the responses and client ports."""
    number = 0
    while not over.is_set():
        number += 1
        post = {"title": "T", "slug": f"{id(client)}-{time.monotonic_ns()}"}
        started = time.monotonic()
        request = client.post("/posts/", json=post) if number % 2 else client.get("/posts/")
        response = await request
        row.slowest = max(row.slowest, time.monotonic() - started)
        row.responses[response.status_code] += 1
        if response.is_error:
            assert response.status_code == 503, (row.fault, response.text)
            assert response.headers["Retry-After"]
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["detail"] == "Database unavailable"
        ports.add(local_port(response))


async def send_probes(client: httpx.AsyncClient, row: Row, over: asyncio.Event) -> None:
    while not over.is_set():
        row.live[(await client.get("/health/live")).status_code] += 1
        started = time.monotonic()
        ready = await client.get("/health/ready")
        row.slowest = max(row.slowest, time.monotonic() - started)
        row.ready.add(f"{ready.status_code} {ready.json().get('detail', '')}".strip())
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), timeout=0.2)


async def inject(name: str, environment: Environment, workers: list[httpx.AsyncClient]) -> Row:
    """Cause a fault under load, and wait for the recovery of the service."""
    row, over, ports = Row(name), asyncio.Event(), set[int]()
    async with FAULTS[name](environment), asyncio.TaskGroup() as group:
        for worker in workers[1:]:
            group.create_task(send_requests(worker, row, over, ports))
        group.create_task(send_probes(workers[0], row, over))
        await asyncio.sleep(1 if FAULTS[name] in SHORT_FAULTS else 6)
        over.set()
    row.recovery = await recovery(workers[1], name)
    assert len(ports) == len(workers) - 1, f"{name}: the service closed connections of clients"
    return row


async def recovery(client: httpx.AsyncClient, fault: str) -> float:
    """Return the seconds until the service is ready and accepts a post."""
    started = time.monotonic()
    while not await has_recovered(client):
        assert time.monotonic() < started + MAX_RECOVERY_SECONDS, fault
    return time.monotonic() - started


async def has_recovered(client: httpx.AsyncClient) -> bool:
    post = {"title": "T", "slug": f"recovered-{time.monotonic_ns()}"}
    ready = await client.get("/health/ready")
    return ready.is_success and (await client.post("/posts/", json=post)).is_success


@asynccontextmanager
async def serving(url: URL, port: int) -> AsyncIterator[None]:
    settings = {"DATABASE_URL": url.render_as_string(hide_password=False)}
    settings |= {"DATABASE_POOL_SIZE": "4", "PORT": str(port), "LOG_LEVEL": "critical"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app"), env=os.environ | settings
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def main(server: Server, directory: Path, port: int) -> None:
    websocket: AsyncWebSocketSession
    url = server.url.set(database="service")
    os.environ |= users.ENVIRONMENT | {"DATABASE_URL": url.render_as_string(hide_password=False)}
    proxy = Proxy(Path(str(url.query["host"])), directory)
    await proxy.serve()
    environment = Environment(server, proxy, url)
    await environment.execute("CREATE DATABASE service")
    await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "alembic", "upgrade", "head"], check=True
    )
    database = Database(url.render_as_string(hide_password=False))
    async with database.session() as session:
        user = await users.new_user("user@example.com")
        session.add(user)
        await session.commit()
    await database.close()
    headers = clients.bearer(users.mint(user))

    def client() -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers=headers,
            timeout=60,
            trust_env=False,
            transport=httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=1), retries=8),
        )

    server.stop()  # the service must start without it
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving(url.set(query={"host": str(directory)}), port))
        workers = [await stack.enter_async_context(client()) for _ in range(CLIENTS)]
        row = Row("server down at the start of the service")
        row.live[(await workers[0].get("/health/live")).status_code] += 1
        refused = await workers[0].get("/posts/")
        row.responses[refused.status_code] += 1
        row.ready.add(f"{(await workers[0].get('/health/ready')).status_code}")
        assert refused.status_code == 503
        environment.start_server()
        row.recovery = await recovery(workers[0], row.fault)
        rows = [row]
        listener, streamer = [await stack.enter_async_context(client()) for _ in range(2)]
        websocket = await stack.enter_async_context(aconnect_ws("/ws/notifications", listener))
        stream = await stack.enter_async_context(streamer.stream("GET", "/events/notifications"))
        readers = [read_socket(websocket), read_stream(stream)]
        reading = [asyncio.create_task(reader) for reader in readers]
        print(
            "| fault | responses | slowest | live | ready | recovery |\n|---|---|---|---|---|---|"
        )
        for name in FAULTS:
            rows.append(await inject(name, environment, workers))

        for row in rows:
            print(row)
        # The socket and the stream are still open and receive events.
        await workers[0].post("/posts/", json={"title": "T", "slug": LAST_SLUG})
        async with asyncio.timeout(MAX_RECOVERY_SECONDS):
            await asyncio.gather(*reading)
        for row in rows:
            assert row.slowest < MAX_RESPONSE_SECONDS, row
            assert set(row.live) == {200}, row


async def read_socket(websocket: AsyncWebSocketSession) -> None:
    while LAST_SLUG not in await websocket.receive_text():
        pass


async def read_stream(stream: httpx.Response) -> None:
    async for line in stream.aiter_lines():
        if LAST_SLUG in line:
            return
    raise AssertionError("the stream has ended")


if __name__ == "__main__":
    with postgresql.running_server() as server:
        asyncio.run(main(server, Path(sys.argv[1]), int(sys.argv[2])))
