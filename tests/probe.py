"""Migrates a new database, serves and exercises a service; runs in it: `probe.py DIRECTORY`."""

import asyncio
import importlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
from httpx_ws import WebSocketSession, connect_ws

ALEMBIC = [sys.executable, "-m", "alembic"]


@contextmanager
def database(directory: Path) -> Iterator[str]:
    """Yield the URL of an empty database."""
    if not Path("tests/postgresql.py").exists():
        yield f"sqlite+aiosqlite:///{directory}/service.db"
        return
    with importlib.import_module("tests.postgresql").running_server() as server:
        yield server.url.render_as_string(hide_password=False)


@asynccontextmanager
async def provider() -> AsyncIterator[None]:
    """Run an identity provider if the service needs one."""
    if not Path("tests/provider.py").exists():
        yield
        return
    identity_provider = importlib.import_module("tests.provider").IdentityProvider()
    os.environ |= {"OIDC_ISSUER": identity_provider.issuer, "OIDC_AUDIENCE": "the-service"}
    async with identity_provider.running():
        yield


@contextmanager
def serving(port: int) -> Iterator[httpx.Client]:
    process = subprocess.Popen([sys.executable, "-m", "app"])
    transport = httpx.HTTPTransport(retries=7)
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=60
        ) as client:
            yield client
    finally:
        process.terminate()
        assert process.wait(60) in {0, -signal.SIGTERM}


def exercise(client: httpx.Client) -> None:
    socket: WebSocketSession
    ready = client.get("/health/ready")
    assert ready.is_success, ready.text
    assert ready.json()["database"] == "ok"
    assert client.get("/posts/").status_code == httpx.codes.UNAUTHORIZED
    assert client.get("/openapi.json").json()["paths"]
    with connect_ws("/ws/echo", client) as socket:
        socket.send_text("hello")
        assert socket.receive_text(timeout=60) == "Echo: hello"
    heartbeat = client.get("/events/heartbeat", params={"count": 1})
    assert re.search(r"^event: heartbeat$", heartbeat.text, re.MULTILINE), heartbeat.text


async def main(directory: str) -> None:
    sys.path.insert(0, os.getcwd())
    async with provider():
        await asyncio.to_thread(migrate_and_serve, directory)


def migrate_and_serve(directory: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with database(Path(directory)) as url:
        os.environ |= {"DATABASE_URL": url, "PORT": str(port)}
        subprocess.run([*ALEMBIC, "upgrade", "head"], check=True)
        subprocess.run([*ALEMBIC, "check"], check=True)
        with serving(port) as client:
            exercise(client)


if __name__ == "__main__":
    started = time.monotonic()
    asyncio.run(main(sys.argv[1]))
    print(f"Migrated, served and exercised in {time.monotonic() - started:.1f} s")
