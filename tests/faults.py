"""Runs in a service on PostgreSQL, by its Python: breaks the database in every way there is.

Clients that keep their connections, a socket and a stream go on meanwhile. It prints a table, and
fails where an answer is no 503 in time, or where something does not recover by itself.
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

# The service's, not the template's: Mypy knows only the latter.
clients, users, postgresql = map(
    importlib.import_module, ("tests.clients", "tests.users", "tests.postgresql")
)

CLIENTS = 12
SECONDS = 10  # that an answer may take: five, and on a busy machine twice that
TO_RECOVER = 30
LAST = "the-last-post"
Server = Any  # of postgresql
Fault = Callable[["Laboratory"], AbstractAsyncContextManager[None]]


@dataclass
class Row:
    fault: str
    answers: Counter[int] = field(default_factory=Counter)
    slowest: float = 0
    live: Counter[int] = field(default_factory=Counter)
    ready: set[str] = field(default_factory=set)
    recovery: float = 0

    def __str__(self) -> str:
        def counted(answers: Counter[int]) -> str:
            return ", ".join(f"{number} x {status}" for status, number in sorted(answers.items()))

        cells = [self.fault, counted(self.answers), f"{self.slowest:.1f} s", counted(self.live)]
        cells += [", ".join(sorted(self.ready)), f"{self.recovery:.1f} s"]
        return "| " + " | ".join(cells) + " |"


class Proxy:
    """Stands between the service and the database, and may stop to pass anything on."""

    def __init__(self, target: Path, directory: Path) -> None:
        self.target, self.directory = target / ".s.PGSQL.5432", directory
        self.passes = asyncio.Event()
        self.passes.set()

    async def serve(self) -> None:
        path = self.directory / ".s.PGSQL.5432"
        await asyncio.start_unix_server(self._connected, path)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.passes.wait()
        try:
            there, back = await asyncio.open_unix_connection(self.target)
        except OSError:  # as the server would refuse it
            writer.close()
            return
        await asyncio.wait(
            [
                asyncio.create_task(self._pass_on(reader, back)),
                asyncio.create_task(self._pass_on(there, writer)),
            ]
        )

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self.passes.wait()
                writer.write(data)
        writer.close()


@dataclass
class Laboratory:
    server: Server
    proxy: Proxy
    url: URL
    http: list[httpx.AsyncClient] = field(default_factory=list)

    def start_server(self) -> None:
        """Start it again; after a kill its old processes may need a moment to notice."""
        deadline = time.monotonic() + TO_RECOVER
        while True:
            try:
                self.server.start()
                return
            except subprocess.CalledProcessError:
                assert time.monotonic() < deadline
                time.sleep(0.1)  # nothing tells when they have let go of the directory

    async def sql(self, statement: str, database: str = "postgres") -> None:
        connecting = Database(
            self.server.url.set(database=database).render_as_string(hide_password=False)
        )
        async with connecting.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.exec_driver_sql(statement)
        await connecting.close()

    async def hang_up(self) -> None:
        await self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'service'"
        )

    def pids(self) -> Iterator[int]:
        yield self.server.pid
        listing = ["ps", "-o", "pid=", "--ppid", str(self.server.pid)]
        yield from map(int, subprocess.check_output(listing).split())


@asynccontextmanager
async def down(laboratory: Laboratory) -> AsyncIterator[None]:
    await asyncio.to_thread(laboratory.server.stop)
    yield
    await asyncio.to_thread(laboratory.start_server)


@asynccontextmanager
async def killed(laboratory: Laboratory) -> AsyncIterator[None]:
    os.kill(laboratory.server.pid, signal.SIGKILL)
    yield
    await asyncio.to_thread(laboratory.start_server)


@asynccontextmanager
async def frozen(laboratory: Laboratory) -> AsyncIterator[None]:
    pids = list(laboratory.pids())
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def black_hole(laboratory: Laboratory) -> AsyncIterator[None]:
    laboratory.proxy.passes.clear()
    yield
    laboratory.proxy.passes.set()


@asynccontextmanager
async def renamed(laboratory: Laboratory) -> AsyncIterator[None]:
    await laboratory.sql("ALTER DATABASE service ALLOW_CONNECTIONS false")
    await laboratory.hang_up()
    await laboratory.sql("ALTER DATABASE service RENAME TO elsewhere")
    yield
    await laboratory.sql("ALTER DATABASE elsewhere RENAME TO service")
    await laboratory.sql("ALTER DATABASE service ALLOW_CONNECTIONS true")


@asynccontextmanager
async def read_only(laboratory: Laboratory) -> AsyncIterator[None]:
    await laboratory.sql("ALTER DATABASE service SET default_transaction_read_only = on")
    await laboratory.hang_up()
    yield
    await laboratory.sql("ALTER DATABASE service RESET default_transaction_read_only")
    await laboratory.hang_up()


@asynccontextmanager
async def locked(laboratory: Laboratory) -> AsyncIterator[None]:
    url = laboratory.server.url.set(database="service").render_as_string(hide_password=False)
    locking = Database(url)
    async with locking.session() as session:
        await session.execute(text("LOCK TABLE posts"))
        yield
    await locking.close()


@asynccontextmanager
async def restarted(laboratory: Laboratory) -> AsyncIterator[None]:
    await asyncio.to_thread(laboratory.server.stop)
    await asyncio.to_thread(laboratory.start_server)
    yield


@asynccontextmanager
async def hung_up(laboratory: Laboratory) -> AsyncIterator[None]:
    await laboratory.hang_up()
    yield


FAULTS: dict[str, Fault] = {
    "the server is stopped": down,
    "the server is killed": killed,
    "the server is frozen": frozen,
    "the network takes everything and gives nothing": black_hole,
    "the database has another name": renamed,
    "the database is read-only": read_only,
    "a table is locked: statements too long, pool exhausted": locked,
    "the server was restarted": restarted,
    "all backends were killed": hung_up,
}


def local_port(response: httpx.Response) -> int:
    port: int = response.extensions["network_stream"].get_extra_info("client_addr")[1]
    return port


async def work(client: httpx.AsyncClient, row: Row, until: asyncio.Event, ports: set[int]) -> None:
    """Write and read until the fault is over; note what came of it."""
    number = 0
    while not until.is_set():
        number += 1
        post = {"title": "T", "slug": f"{id(client)}-{time.monotonic_ns()}"}
        started = time.monotonic()
        request = client.post("/posts/", json=post) if number % 2 else client.get("/posts/")
        response = await request
        row.slowest = max(row.slowest, time.monotonic() - started)
        row.answers[response.status_code] += 1
        if response.is_error:
            assert response.status_code == 503, (row.fault, response.text)
            assert response.headers["Retry-After"]
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["detail"] == "The database does not answer"
        ports.add(local_port(response))


async def probe(client: httpx.AsyncClient, row: Row, until: asyncio.Event) -> None:
    while not until.is_set():
        row.live[(await client.get("/health/live")).status_code] += 1
        started = time.monotonic()
        ready = await client.get("/health/ready")
        row.slowest = max(row.slowest, time.monotonic() - started)
        row.ready.add(f"{ready.status_code} {ready.json().get('detail', '')}".strip())
        with suppress(TimeoutError):
            await asyncio.wait_for(until.wait(), timeout=0.2)


async def suffer(name: str, laboratory: Laboratory, workers: list[httpx.AsyncClient]) -> Row:
    row, over, ports = Row(name), asyncio.Event(), set[int]()
    brief = FAULTS[name] in {restarted, hung_up}
    async with FAULTS[name](laboratory), asyncio.TaskGroup() as group:
        for worker in workers[1:]:
            group.create_task(work(worker, row, over, ports))
        group.create_task(probe(workers[0], row, over))
        await asyncio.sleep(1 if brief else 6)
        over.set()
    row.recovery = await recovery(workers[1], name)
    assert len(ports) == len(workers) - 1, f"{name}: connections were not kept"
    return row


async def recovery(client: httpx.AsyncClient, fault: str) -> float:
    """Return the seconds until the service is well again."""
    started = time.monotonic()
    while not await is_well(client):
        assert time.monotonic() < started + TO_RECOVER, fault
    return time.monotonic() - started


async def is_well(client: httpx.AsyncClient) -> bool:
    post = {"title": "T", "slug": f"well-{time.monotonic_ns()}"}
    ready = await client.get("/health/ready")
    return ready.is_success and (await client.post("/posts/", json=post)).is_success


@asynccontextmanager
async def serving(url: URL, port: int) -> AsyncIterator[None]:
    limits = {"DATABASE_URL": url.render_as_string(hide_password=False), "DATABASE_POOL_SIZE": "4"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app"),
        env=os.environ | limits | {"PORT": str(port), "LOG_LEVEL": "critical"},
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def experiment(server: Server, directory: Path, port: int) -> None:
    websocket: AsyncWebSocketSession
    url = server.url.set(database="service")
    os.environ |= users.ENVIRONMENT | {"DATABASE_URL": url.render_as_string(hide_password=False)}
    proxy = Proxy(Path(str(url.query["host"])), directory)
    await proxy.serve()
    laboratory = Laboratory(server, proxy, url)
    await laboratory.sql("CREATE DATABASE service")
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

    server.stop()  # the service starts first
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving(url.set(query={"host": str(directory)}), port))
        workers = [await stack.enter_async_context(client()) for _ in range(CLIENTS)]
        row = Row("the server is down when the service starts")
        row.live[(await workers[0].get("/health/live")).status_code] += 1
        refused = await workers[0].get("/posts/")
        row.answers[refused.status_code] += 1
        row.ready.add(f"{(await workers[0].get('/health/ready')).status_code}")
        assert refused.status_code == 503
        laboratory.start_server()
        row.recovery = await recovery(workers[0], row.fault)
        rows = [row]
        listener, streamer = [await stack.enter_async_context(client()) for _ in range(2)]
        websocket = await stack.enter_async_context(aconnect_ws("/ws/notifications", listener))
        stream = await stack.enter_async_context(streamer.stream("GET", "/events/notifications"))
        readers = [asyncio.create_task(read_socket(websocket)), asyncio.create_task(read(stream))]
        print("| fault | answers | slowest | live | ready | recovery |\n|---|---|---|---|---|---|")
        for name in FAULTS:
            rows.append(await suffer(name, laboratory, workers))

        for row in rows:
            print(row)
        # After all that, both still get what happens.
        await workers[0].post("/posts/", json={"title": "T", "slug": LAST})
        async with asyncio.timeout(TO_RECOVER):
            await asyncio.gather(*readers)
        for row in rows:
            assert row.slowest < SECONDS, row
            assert set(row.live) == {200}, row


async def read_socket(websocket: AsyncWebSocketSession) -> None:
    while LAST not in await websocket.receive_text():
        pass


async def read(stream: httpx.Response) -> None:
    async for line in stream.aiter_lines():
        if LAST in line:
            return
    raise AssertionError("the stream has ended")


if __name__ == "__main__":
    with postgresql.running_server() as server:
        asyncio.run(experiment(server, Path(sys.argv[1]), int(sys.argv[2])))
