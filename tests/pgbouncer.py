"""Serves through PgBouncer in every supported configuration; runs in a service: `pgbouncer.py`.

Fails if a request fails, or if a configuration works that the documentation calls unsupported.
"""

import asyncio
import importlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

sys.path.insert(0, os.getcwd())

import httpx
from app.database import Database
from app.main import app
from app.settings import get_settings
from sqlalchemy import URL

# Imported by name, because Mypy would take the template's package `tests` for the service's.
clients, users, postgresql = map(
    importlib.import_module, ("tests.clients", "tests.users", "tests.postgresql")
)

CLIENTS = 12
ROUNDS = 3
IGNORE = "ignore_startup_parameters = statement_timeout"
OPTION = {"pgbouncer": "true"}
# The mode, a line of the configuration, options of the URL, and whether it works.
CONFIGURATIONS: list[tuple[str, str, dict[str, str], bool]] = [
    ("session", "", OPTION, True),
    ("transaction", "", OPTION, True),
    ("session", IGNORE, {}, True),
    ("session", "", {}, False),  # the option is still needed
    ("transaction", IGNORE, {}, False),  # same, because of prepared statements
]
# Session mode needs a server connection for each connection of the service; transaction mode
# shares them, so that a prepared statement would be missing.
SIZES = {"session": 6, "transaction": 3}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def pgbouncer(server: URL, mode: str, line: str) -> Iterator[URL]:
    directory, port = Path(str(server.query["host"])), free_port()
    config = directory / "pgbouncer.ini"
    config.write_text(
        f"""
[databases]
* = host={directory} user=postgres
[pgbouncer]
auth_type = any
default_pool_size = {SIZES[mode]}
listen_addr = 127.0.0.1
listen_port = {port}
pool_mode = {mode}
unix_socket_dir =
{line}
""",
        "utf-8",
    )
    config.chmod(0o644)
    process = subprocess.Popen(["pgbouncer", "--quiet", config], **postgresql.USER)
    try:
        yield server.set(host="127.0.0.1", port=port, database="service", query={})
    finally:
        process.terminate()
        process.wait()


@asynccontextmanager
async def serving(url: URL) -> AsyncIterator[httpx.AsyncClient]:
    """Run the service in this process, which starts faster than another one."""
    os.environ["DATABASE_URL"] = url.render_as_string(hide_password=False)
    get_settings.cache_clear()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(base_url="http://service", transport=transport) as client,
    ):
        yield client


async def work(client: httpx.AsyncClient, number: int) -> list[httpx.Response]:
    post = {"title": "T", "slug": f"post-{number}-{os.urandom(4).hex()}"}
    responses = []
    for _ in range(ROUNDS):
        post["slug"] += "x"
        responses += [
            await client.post("/posts/", json=post),
            await client.get("/posts/"),
            await client.get("/auth/me"),
        ]
    return responses


async def failures(client: httpx.AsyncClient) -> list[str]:
    responses = [await client.get("/health/ready")]
    for batch in await asyncio.gather(*(work(client, number) for number in range(CLIENTS))):
        responses += batch
    return [f"{r.request.url.path}: {r.text}" for r in responses if not r.is_success]


async def main(server: URL) -> None:
    address = server.render_as_string(hide_password=False)
    os.environ |= users.ENVIRONMENT
    os.environ |= {"DATABASE_POOL_SIZE": "6", "DATABASE_URL": address, "LOG_LEVEL": "critical"}
    administration = Database(address)
    async with administration.write_engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.exec_driver_sql("CREATE DATABASE service")
        await connection.exec_driver_sql("ALTER ROLE postgres SET statement_timeout = '2s'")
    await administration.close()
    headers: dict[str, str] = {}
    for mode, line, options, works in CONFIGURATIONS:
        with pgbouncer(server, mode, line) as pool:
            url = pool.set(query=options)
            if not headers:
                headers = await prepare(url)
            async with serving(url) as client:
                client.headers.update(headers)
                failed = await failures(client)
        print(mode, line or options, f"{len(failed)} requests failed", *failed[:1])
        assert bool(failed) is not works, (mode, line, options)


async def prepare(url: URL) -> dict[str, str]:
    """Migrate the database through PgBouncer and store a user; return the user's headers."""
    text = url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    env = os.environ | {"DATABASE_URL": text}
    await asyncio.to_thread(subprocess.run, command, check=True, env=env)
    database = Database(text)
    async with database.session() as session:
        user = await users.new_user("user@example.com")
        session.add(user)
        await session.commit()
    await database.close()
    headers: dict[str, str] = clients.bearer(users.mint(user))
    return headers


if __name__ == "__main__":
    with postgresql.running_server() as server:
        asyncio.run(main(server.url))
