import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

import uvicorn

NOTICE_SECONDS = 0.5  # between readiness turning to 503 and the port being closed


@contextmanager
def stop_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on SIGTERM or SIGINT, and pass the signal to the server `NOTICE_SECONDS` later.

    A server waits for open streams without ending them. A second signal ends the process at once.
    """
    loop = asyncio.get_running_loop()
    handlers = _server_handlers()

    def begin(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(stop)
        loop.call_soon_threadsafe(loop.call_later, NOTICE_SECONDS, handlers[number], number, frame)

    for number in handlers:
        signal.signal(number, begin)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def server_processes() -> int:
    """Return the number of processes that uvicorn runs; 1 if it is unknown.

    Its signal handler leads to its configuration, however that was set: `--workers`,
    `WEB_CONCURRENCY` or `uvicorn.run`.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if not isinstance(server, uvicorn.Server) or server.config.should_reload:
        return 1
    return server.config.workers


def _server_handlers() -> dict[int, Callable[[int, FrameType | None], Any]]:
    """Return a server's handlers: tests have none, and only the main thread may set handlers."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    if current_thread() is not main_thread() or not callable(handlers[signal.SIGTERM]):
        return {}
    return {int(number): handler for number, handler in handlers.items() if callable(handler)}
