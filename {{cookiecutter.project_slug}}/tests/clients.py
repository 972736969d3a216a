"""The clients and servers behind the fixtures of conftest.py."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager

import httpx
from anyio.from_thread import BlockingPortal
from fastapi import FastAPI
from httpx_ws import AsyncWebSocketSession, aconnect_ws
from httpx_ws.transport import ASGIWebSocketTransport
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from app.server.process import configure
from app.settings import get_settings
from tests.mistakes import refuse_endless_responses

BASE_URL = "http://testserver"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def http_client(app: ASGIApp, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(refuse_endless_responses(app))
    return httpx.AsyncClient(transport=transport, base_url=BASE_URL, headers=headers)


@asynccontextmanager
async def websocket(
    app: FastAPI,
    path: str,
    token: str | None = None,
    *,
    headers: dict[str, str] | None = None,
    subprotocols: Sequence[str] = (),
) -> AsyncIterator[AsyncWebSocketSession]:
    """Open a WebSocket in the running event loop."""
    transport = ASGIWebSocketTransport(app)
    headers = (headers or {}) | (bearer(token) if token else {})
    if subprotocols:  # the transport would keep the spaces that httpx-ws inserts
        headers["Sec-WebSocket-Protocol"] = ",".join(subprotocols)
    session: AsyncWebSocketSession
    try:
        async with (
            httpx.AsyncClient(transport=transport, base_url=BASE_URL, headers=headers) as client,
            aconnect_ws(path, client) as session,
        ):
            yield session
    except ExceptionGroup as group:
        raise unwrap(group) from None


def unwrap(error: Exception) -> Exception:
    """Remove the exception groups that task groups wrap around a single error."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


@asynccontextmanager
async def live_server(app: ASGIApp, on: socket.socket | None = None) -> AsyncIterator[str]:
    """Serve in the running event loop, by default on an ephemeral port; yield the address.

    Unlike `uvicorn.Server`, it installs no signal handlers and polls no timer.
    """
    config = configure(get_settings())
    config.app, config.lifespan = app, "off"
    config.load()
    state = ServerState()

    def protocol() -> asyncio.Protocol:
        return config.http_protocol_class(config=config, server_state=state, app_state={})  # type: ignore[call-arg]  # as in uvicorn

    with on or socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as the service does
        server = await asyncio.get_running_loop().create_server(protocol, sock=listener)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.close()
        await asyncio.gather(*state.tasks)


@contextmanager
def run_in_thread(loop: asyncio.AbstractEventLoop) -> Iterator[BlockingPortal]:
    """Run an idle event loop in a thread, so that synchronous code can call into it."""
    opened: Future[BlockingPortal] = Future()

    async def stay_open() -> None:
        async with BlockingPortal() as portal:
            opened.set_result(portal)
            await portal.sleep_until_stopped()

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(loop.run_until_complete, stay_open())
        portal = opened.result()
        try:
            yield portal
        finally:
            portal.call(portal.stop)
            running.result()
