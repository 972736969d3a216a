import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import FrameType

import httpx
import pytest
import uvicorn
from uvicorn.supervisors.multiprocess import SIGNALS

from app.cli import main
from app.server import signals
from app.server.process import Workers, listen, shared_metrics

pytestmark = pytest.mark.usefixtures("issuer", "fresh_settings")


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    monkeypatch.setenv("PORT", str(port))
    return port


@pytest.fixture
def received() -> Iterator[list[int]]:
    """The signals that the server raises again after it has stopped."""
    numbers: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        numbers.append(number)

    before = signal.signal(signal.SIGTERM, note)
    yield numbers
    signal.signal(signal.SIGTERM, before)


def request_readiness(port: int) -> httpx.Response:
    """Request readiness as soon as the service listens, then stop it."""
    deadline = time.monotonic() + 5
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            response = None
            while response is None:
                assert time.monotonic() < deadline
                time.sleep(0.01)
                with suppress(httpx.ConnectError):  # not listening yet
                    response = client.get("/health/ready")
            return response
    finally:
        signal.raise_signal(signal.SIGTERM)


def test_service_listens_on_its_port_until_sigterm(
    port: int,
    received: list[int],
    clean_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    monkeypatch.setattr(signals, "NOTICE_SECONDS", 0)

    with ThreadPoolExecutor(1) as thread:
        using = thread.submit(request_readiness, port)
        main()
    response = using.result()

    assert response.json()["status"] == "ok"
    assert "server" not in response.headers
    assert received == [signal.SIGTERM]


@pytest.fixture
def _handlers_restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_handlers_restored")
def test_second_signal_kills_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    config = uvicorn.Config("app.main:app", workers=2, log_config=None)

    def stop_twice() -> None:
        deadline = time.monotonic() + 5
        while len(workers.processes) < config.workers:
            assert time.monotonic() < deadline
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as thread:
        workers = Workers(config, [listener])
        wait = workers.should_exit.wait  # uvicorn would see a signal only after half a second
        monkeypatch.setattr(workers.should_exit, "wait", lambda _: wait(0.01))
        stopping = thread.submit(stop_twice)
        workers.run()
    stopping.result()

    assert [process.exitcode for process in workers.processes] == [-signal.SIGKILL] * 2


def test_workers_share_metrics_in_a_temporary_directory() -> None:
    name = "PROMETHEUS_MULTIPROC_DIR"
    with shared_metrics(1):
        assert name not in os.environ
    with shared_metrics(2):
        directory = Path(os.environ[name])
        assert directory.is_dir()

    assert name not in os.environ
    assert not directory.exists()


def test_unresponsive_peers_are_dropped() -> None:
    with listen(uvicorn.Config("app.main:app", port=0), stuck_peer_seconds=20) as listener:
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 5
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000


def test_response_bodies_are_not_delayed() -> None:
    with listen(uvicorn.Config("app.main:app", port=0), stuck_peer_seconds=20) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_missing_setting_ends_the_process_with_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DATABASE_URL")

    with pytest.raises(SystemExit, match="^Settings: DATABASE_URL is not set; ") as end:
        main()

    assert "\n" not in str(end.value)
