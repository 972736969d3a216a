import asyncio
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from app.server import signals
from app.server.signals import stop_signals


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
