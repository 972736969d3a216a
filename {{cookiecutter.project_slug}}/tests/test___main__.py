import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import httpx
import pytest
from httpx_ws import WebSocketDisconnect, WebSocketSession, connect_ws

from app.__main__ import main
from app.settings import get_settings


@pytest.fixture(autouse=True)
def _settings_read_anew() -> Iterator[None]:
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    monkeypatch.setenv("PORT", str(port))
    return port


@pytest.fixture
def received() -> Iterator[list[int]]:
    """Collect the SIGTERM that a server raises again once it has stopped."""
    signals: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        signals.append(number)

    before = signal.signal(signal.SIGTERM, note)
    yield signals
    signal.signal(signal.SIGTERM, before)


def use(port: int) -> tuple[httpx.Response, int]:
    """Ask whether the service is ready, send a frame that is too large, and stop the service."""
    socket: WebSocketSession
    try:
        until_it_serves = httpx.HTTPTransport(retries=5)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=until_it_serves) as client:
            response = client.get("/health/ready")
            with connect_ws("/ws/echo", client) as socket:
                socket.send_text("x" * 101)
                with pytest.raises(WebSocketDisconnect) as closed:
                    socket.receive(timeout=2)
        return response, int(closed.value.code)
    finally:
        signal.raise_signal(signal.SIGTERM)


def test_it_serves_where_the_settings_say_until_it_is_told_to_stop(
    port: int, received: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WS_MAX_FRAME_BYTES", "100")

    with ThreadPoolExecutor(1) as thread:
        using = thread.submit(use, port)
        main()
    response, code = using.result()

    assert response.json()["status"] == "ok"
    assert "server" not in response.headers
    assert code == 1009
    assert received == [signal.SIGTERM]


def test_without_a_setting_it_ends_with_one_line_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DATABASE_URL")

    with pytest.raises(SystemExit, match="^Settings: DATABASE_URL is not set; ") as end:
        main()

    assert "\n" not in str(end.value)
