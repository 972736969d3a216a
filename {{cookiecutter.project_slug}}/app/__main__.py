"""`python -m app` serves the service as the settings say; app/commands.py has what else it does."""

import os
import signal
import socket
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from tempfile import TemporaryDirectory
from types import FrameType

import uvicorn
from uvicorn.supervisors import Multiprocess

from app import commands
from app.logs import configure_logging
from app.settings import Settings, SettingsError, get_settings

DRAIN_SECONDS = 2  # what is still open when the service stops is cut off after that


class Workers(Multiprocess):
    """Several processes behind one port; a second signal ends them at once."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def _end(self, number: int, _: FrameType | None) -> None:
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
        access_log=False,  # app/observer.py has it
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ws_max_size=settings.ws_max_frame_bytes,
        ws_per_message_deflate=False,  # costs 30 KiB and much time for each socket
        ws_ping_interval=settings.stuck_peer_seconds / 2,
        ws_ping_timeout=settings.stuck_peer_seconds / 2,
    )


def listen(config: uvicorn.Config, stuck_peer_seconds: int) -> socket.socket:
    """Bind a socket that gives up peers which vanish or do not read, where the system can."""
    listener = config.bind_socket()
    # uvicorn's socket lets asyncio leave this out: the body of an answer would wait 40 ms.
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
    """Have several processes count where each can read it, so that any may answer for all."""
    if workers == 1:
        yield
        return
    with TemporaryDirectory(prefix="metrics-") as directory:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory  # read by prometheus_client
        yield
        del os.environ["PROMETHEUS_MULTIPROC_DIR"]


def main(arguments: Sequence[str] = ()) -> None:
    try:
        settings = get_settings()
    except SettingsError as error:
        sys.exit(str(error))
    commands.run(arguments, settings, serve)


def serve(settings: Settings, _: Namespace) -> None:
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
        with suppress(KeyboardInterrupt):  # Ctrl-C: a server that has stopped raises it again
            run()


if __name__ == "__main__":
    main(sys.argv[1:])
