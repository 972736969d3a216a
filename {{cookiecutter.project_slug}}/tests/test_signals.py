import asyncio
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from app import signals
from app.signals import stop_signals


class Server:
    def __init__(self) -> None:
        self.told = asyncio.Event()

    def handle(self, _: int, __: FrameType | None) -> None:
        self.told.set()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    before = signal.signal(signal.SIGTERM, server.handle)
    yield server
    signal.signal(signal.SIGTERM, before)


async def test_the_service_stops_first_and_the_server_a_moment_later(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "NOTICE_SECONDS", 0.01)
    stopping = asyncio.Event()
    with stop_signals(stopping.set):
        signal.raise_signal(signal.SIGTERM)
        await stopping.wait()
        assert not server.told.is_set()
        await server.told.wait()


async def test_a_second_signal_ends_the_process(server: Server) -> None:
    with stop_signals(lambda: None):
        signal.raise_signal(signal.SIGTERM)

        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_afterwards_the_signals_are_the_servers_again(server: Server) -> None:
    with stop_signals(lambda: None):
        pass

    assert signal.getsignal(signal.SIGTERM) == server.handle


async def test_signals_that_no_server_waits_for_stay_as_they_are() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with stop_signals(lambda: None):
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
