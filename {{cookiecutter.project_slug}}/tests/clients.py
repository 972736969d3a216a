"""The clients and servers behind the fixtures of conftest.py."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager

import httpx
import wsproto.events
from anyio.from_thread import BlockingPortal
from fastapi import FastAPI
from httpx_ws import AsyncWebSocketSession, aconnect_ws
from httpx_ws.transport import ASGIWebSocketTransport
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from app.server.process import configure
from app.settings import get_settings
from tests.contracts import refuse_undeclared_statuses
from tests.mistakes import AsynchronousClient, refuse_endless_responses, refuse_in_fixture
from tests.waiting import WAIT_SECONDS, limited

BASE_URL = "http://testserver"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def http_client(app: ASGIApp, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    checked = refuse_undeclared_statuses(refuse_endless_responses(app))
    transport = httpx.ASGITransport(checked)
    return AsynchronousClient(transport=transport, base_url=BASE_URL, headers=headers)


def network_client(address: str, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    """An HTTP client of a real server, which also waits for a busy one."""
    return httpx.AsyncClient(base_url=address, headers=headers, timeout=WAIT_SECONDS)


class Socket(AsyncWebSocketSession):
    """A WebSocket that waits for WAIT_SECONDS at most, so that a missing frame fails its test."""

    async def receive(self, timeout: float | None = None) -> wsproto.events.Event:
        return await super().receive(WAIT_SECONDS if timeout is None else timeout)


@asynccontextmanager
async def websocket(
    app: FastAPI,
    path: str,
    token: str | None = None,
    *,
    headers: dict[str, str] | None = None,
    subprotocols: Sequence[str] = (),
) -> AsyncIterator[Socket]:
    """Open a WebSocket in the running event loop; raise the exception of a route that fails."""
    refuse_in_fixture()
    failures: list[Exception] = []

    async def note_failure(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except Exception as error:
            failures.append(error)
            raise

    transport = ASGIWebSocketTransport(note_failure, initial_receive_timeout=WAIT_SECONDS)
    headers = (headers or {}) | (bearer(token) if token else {})
    if subprotocols:  # the transport would keep the spaces that httpx-ws inserts
        headers["Sec-WebSocket-Protocol"] = ",".join(subprotocols)
    session: Socket
    try:
        async with (
            httpx.AsyncClient(transport=transport, base_url=BASE_URL, headers=headers) as client,
            aconnect_ws(path, client, session_class=Socket) as session,
        ):
            yield session
    except ExceptionGroup as group:
        raise next(iter(failures), unwrap(group)) from None


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
        async with limited():
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
