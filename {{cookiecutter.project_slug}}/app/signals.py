import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

NOTICE_SECONDS = 0.5  # readiness probes see that the service stops before it closes its port


@contextmanager
def stop_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` when the server is told to end, and let the server know a moment later.

    Servers tell no stream, and wait for all of them. A second signal ends the process at once.
    """
    loop = asyncio.get_running_loop()
    servers = _handlers()

    def begin(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(stop)
        loop.call_soon_threadsafe(loop.call_later, NOTICE_SECONDS, servers[number], number, frame)

    for number in servers:
        signal.signal(number, begin)
    try:
        yield
    finally:
        for number, handler in servers.items():
            signal.signal(number, handler)


def _handlers() -> dict[int, Callable[[int, FrameType | None], Any]]:
    """Return those of a server: tests have none, and only the main thread may set any."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    if current_thread() is not main_thread() or not callable(handlers[signal.SIGTERM]):
        return {}
    return {int(number): handler for number, handler in handlers.items() if callable(handler)}
