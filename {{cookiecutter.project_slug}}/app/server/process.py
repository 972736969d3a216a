"""Uvicorn as `python -m app` runs it: its configuration, listening socket and workers."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from tempfile import TemporaryDirectory
from types import FrameType

import uvicorn
from uvicorn.supervisors import Multiprocess

from app.observability.logs import configure_logging
from app.settings import Settings

DRAIN_SECONDS = 2  # for open requests after SIGTERM; then they are cancelled


class Workers(Multiprocess):
    """Several processes behind one port; a second signal ends them at once."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, number: int, _: FrameType | None) -> None:
        if self.signal_queue or self.should_exit.is_set():
            for process in self.processes:
                process.process.kill()
        self.signal_queue.append(number)


def configure(settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        "app.main:app",
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        log_config=None,
        access_log=False,  # ObservabilityMiddleware logs requests
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ws_max_size=settings.ws_max_frame_bytes,
        ws_per_message_deflate=False,  # costs 30 KiB per socket and most of the throughput
        ws_ping_interval=settings.stuck_peer_seconds / 2,
        ws_ping_timeout=settings.stuck_peer_seconds / 2,
    )


def listen(config: uvicorn.Config, stuck_peer_seconds: int) -> socket.socket:
    """Bind a socket that drops unresponsive peers, as far as the system supports it."""
    listener = config.bind_socket()
    # asyncio sets this only for its own sockets; without it response bodies wait 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE": max(1, stuck_peer_seconds // 2),  # seconds
        "TCP_KEEPINTVL": max(1, stuck_peer_seconds // 4),
        "TCP_USER_TIMEOUT": stuck_peer_seconds * 1000,
    }
    for name in options.keys() & vars(socket):
        listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), options[name])
    return listener


@contextmanager
def shared_metrics(workers: int) -> Iterator[None]:
    """Let several processes share their metrics through files, so that each can report them all."""
    if workers == 1:
        yield
        return
    with TemporaryDirectory(prefix="metrics-") as directory:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory  # read by prometheus_client
        yield
        del os.environ["PROMETHEUS_MULTIPROC_DIR"]


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    configure_logging(settings)
    config = configure(settings)
    with (
        shared_metrics(config.workers),
        listen(config, settings.stuck_peer_seconds) as listener,
    ):
        run = (
            Workers(config, [listener]).run
            if config.workers > 1
            else partial(uvicorn.Server(config).run, [listener])
        )
        with suppress(KeyboardInterrupt):  # raised again by a server that Ctrl-C has stopped
            run()
