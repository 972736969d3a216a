"""Uvicorn as `python -m app` runs it: its configuration, listening socket and workers."""

import logging
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
from app.server.capacity import raise_descriptor_limit
from app.server.http_protocol import HttpProtocol
from app.server.websocket_protocol import WebSocketProtocol
from app.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 2  # for open requests after SIGTERM; then they are cancelled
START_SECONDS = 60  # for a worker; on a busy machine the imports take longer than Uvicorn's 5


class Workers(Multiprocess):
    """Several processes behind one port; a second signal ends them at once."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, number: int, _: FrameType | None) -> None:
        if self.signal_queue or self.should_exit.is_set():
            self.should_exit.set()  # otherwise Uvicorn could replace the killed workers
            for process in self.processes:
                process.process.kill()
        self.signal_queue.append(number)


def configure(settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        "app.main:app",
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=HttpProtocol,
        log_config=None,
        access_log=False,  # ObservabilityMiddleware logs requests
        server_header=False,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_worker_healthcheck=START_SECONDS,
        ws=WebSocketProtocol,
        ws_max_size=settings.ws_max_frame_bytes,
        ws_per_message_deflate=False,  # costs 30 KiB per socket and most of the throughput
        ws_ping_interval=settings.stuck_peer_seconds / 2,
        ws_ping_timeout=settings.stuck_peer_seconds / 2,
    )


def listen(config: uvicorn.Config, stuck_peer_seconds: int) -> socket.socket:
    """Return a socket that drops unresponsive peers, as far as the system supports it.

    Raise `SettingsError` if the address is not available. Uvicorn's own socket does not listen
    before the application has started, so that two services could start with one port.
    """
    address = config.host, config.port
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        listener = socket.create_server(address, family=family, backlog=config.backlog)
    except OSError as error:
        raise SettingsError(f"HOST, PORT: cannot listen at {address}: {error.strerror}") from None
    logger.info("Listening at http://%s:%d", config.host, listener.getsockname()[1])
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
    raise_descriptor_limit()
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
