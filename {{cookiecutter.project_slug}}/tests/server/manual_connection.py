"""A connection without a socket, and a clock that the test advances."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Coroutine
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from app.server.http_protocol import HttpProtocol


class ManualLoop:
    """The part of an event loop that the protocol uses; `advance` replaces the passing of time."""

    def __init__(self) -> None:
        self._now = 0.0
        self._numbers = itertools.count()
        self._timers: list[tuple[float, int, asyncio.Handle]] = []

    def time(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.Handle:
        handle = asyncio.Handle(callback, (), asyncio.get_running_loop())
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def call_later(self, delay: float, callback: Callable[[], object]) -> asyncio.Handle:
        return self.call_at(self._now + delay, callback)

    def create_task(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.create_task(coroutine)

    def advance(self, seconds: float) -> None:
        end = self._now + seconds
        while self._timers and self._timers[0][0] <= end:
            self._now, _, handle = heapq.heappop(self._timers)
            if not handle.cancelled():
                handle._run()  # noqa: SLF001 - as event loops do
        self._now = end


class ManualTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.reading = True
        self.closed = self.eof_written = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.eof_written = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Connection:
    """A client of a server with this state, which serves `app`."""

    def __init__(self, app: ASGIApp, state: ServerState, loop: ManualLoop) -> None:
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
        self.transport = ManualTransport()
        self.loop = loop
        self.protocol = HttpProtocol(config, state, {}, cast(asyncio.AbstractEventLoop, loop))
        self.protocol.connection_made(self.transport)

    async def send(self, data: bytes) -> None:
        """Send bytes, and let the application respond."""
        self.protocol.data_received(data)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
