import asyncio
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
import uvicorn

from app.server import signals
from app.server.process import configure
from app.server.signals import server_processes, stop_signals
from app.settings import get_settings


class Server:
    def __init__(self) -> None:
        self.signalled = asyncio.Event()

    def handle(self, _: int, __: FrameType | None) -> None:
        self.signalled.set()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    before = signal.signal(signal.SIGTERM, server.handle)
    yield server
    signal.signal(signal.SIGTERM, before)


async def test_service_stops_before_its_server(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "NOTICE_SECONDS", 0.01)
    stopping = asyncio.Event()
    with stop_signals(stopping.set):
        signal.raise_signal(signal.SIGTERM)
        await stopping.wait()
        assert not server.signalled.is_set()
        await server.signalled.wait()


async def test_second_signal_ends_the_process(server: Server) -> None:
    with stop_signals(lambda: None):
        signal.raise_signal(signal.SIGTERM)

        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_handlers_of_the_server_are_restored(server: Server) -> None:
    with stop_signals(lambda: None):
        pass

    assert signal.getsignal(signal.SIGTERM) == server.handle


async def test_signals_without_a_server_keep_their_handlers() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with stop_signals(lambda: None):
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.mark.parametrize(
    ("options", "processes"),
    [({"workers": 2}, 2), ({"workers": 1}, 1), ({"workers": 2, "reload": True}, 1), ({}, 3)],
)
def test_number_of_processes_is_that_of_the_server(
    options: dict[str, Any], processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    server = uvicorn.Server(uvicorn.Config("app.main:app", log_config=None, **options))
    with server.capture_signals():
        assert server_processes() == processes


def test_number_of_processes_is_one_without_a_known_server() -> None:
    assert server_processes() == 1


@pytest.mark.usefixtures("issuer")
def test_service_stops_before_docker_kills_it() -> None:
    drain_seconds = configure(get_settings()).timeout_graceful_shutdown

    assert drain_seconds
    assert signals.NOTICE_SECONDS + drain_seconds < 10  # the default of `docker stop`
