import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType

import httpx
import pytest
import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.supervisors.multiprocess import SIGNALS

from app.cli import main
from app.server import signals
from app.server.process import Workers, configure, listen, shared_metrics
from app.settings import get_settings
from tests.clients import live_server, network_client
from tests.waiting import WAIT_SECONDS

pytestmark = pytest.mark.usefixtures("issuer", "fresh_settings")


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    monkeypatch.setenv("PORT", str(port))
    monkeypatch.setattr(signals, "NOTICE_SECONDS", 0)
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


def request_readiness(port: int, stop: signal.Signals = signal.SIGTERM) -> httpx.Response:
    """Request readiness as soon as the service listens, then stop it with a signal."""
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=WAIT_SECONDS) as client:
            response = None
            while response is None:
                assert time.monotonic() < deadline
                time.sleep(0.01)
                with suppress(httpx.ConnectError):  # not listening yet
                    response = client.get("/health/ready")
            return response
    finally:
        signal.raise_signal(stop)


def test_service_listens_on_its_port_until_sigterm(
    port: int,
    received: list[int],
    clean_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)

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
        deadline = time.monotonic() + WAIT_SECONDS
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


def test_port_in_use_is_named_in_one_line(
    port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", str(port))
    config = uvicorn.Config("app.main:app", port=port)
    listen(config, stuck_peer_seconds=20).close()  # the port is free
    with listen(config, stuck_peer_seconds=20), pytest.raises(SystemExit) as exited:
        main()

    assert str(exited.value).startswith(f"HOST, PORT: cannot listen at ('127.0.0.1', {port}): ")


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


async def test_client_and_scheme_are_taken_from_trusted_proxies_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[str, str]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope["client"][0], scope["scheme"]))
        await Response()(scope, receive, send)

    forwarded = {"X-Forwarded-For": "203.0.113.7, 203.0.113.8", "X-Forwarded-Proto": "https"}
    for trusted in ("127.0.0.0/8", "10.0.0.0/8"):
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", trusted)
        get_settings.cache_clear()
        async with live_server(app) as address, network_client(address) as client:
            await client.get(address, headers=forwarded)

    assert seen == [("203.0.113.8", "https"), ("127.0.0.1", "http")]


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Handle SIGINT, which shells let commands in the background ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_ctrl_c_ends_the_service_without_a_traceback(
    port: int, clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    raised: list[object] = []

    def note(kind: object, *_: object) -> bool:
        raised.append(kind)
        return True  # suppresses it, because it would end the tests

    with ThreadPoolExecutor(1) as thread, ExitStack() as stack:
        stack.push(note)
        using = thread.submit(request_readiness, port, signal.SIGINT)
        main()

    assert using.result().is_success
    assert raised == [None]


def test_workers_have_a_minute_to_start_on_a_busy_machine() -> None:
    assert configure(get_settings()).timeout_worker_healthcheck == 60


def test_server_obeys_the_settings() -> None:
    changes = {"host": "::1", "port": 7, "workers": 3, "stuck_peer_seconds": 30}
    config = configure(get_settings().model_copy(update=changes))

    assert (config.host, config.port, config.workers) == ("::1", 7, 3)
    assert config.ws_ping_interval
    assert config.ws_ping_timeout
    assert config.ws_ping_interval + config.ws_ping_timeout == 30
