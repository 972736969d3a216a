import asyncio
import base64
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI, WebSocket
from httpx_ws import AsyncWebSocketSession, aconnect_ws

from app.auth.audit import audit
from app.auth.models import User
from app.database import Database
from app.main import create_app
from app.observability.logs import configure_logging
from app.settings import Settings, get_settings
from tests import clients
from tests.clients import network_client
from tests.conftest import MakeToken

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


Configure = Callable[..., None]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    """A function that configures logging as if pytest had no handlers."""

    def configure(**changes: str) -> None:
        monkeypatch.setattr(root, "handlers", [])
        configure_logging(Settings.model_validate(get_settings().model_dump() | changes))

    root = logging.getLogger()
    level = root.level
    yield configure
    root.setLevel(level)


@pytest.fixture
def echoing() -> FastAPI:
    """A service with a socket of its own."""
    app = create_app()

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept("v1" if websocket.scope["subprotocols"] else None)
        await websocket.send_text(await websocket.receive_text())

    return app


def test_json_lines_of_service_and_libraries_have_the_same_members(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(log_format="json")
    with structlog.contextvars.bound_contextvars(request_id="abc"):
        structlog.get_logger().info("ours", answer=42)
        logging.getLogger("library").info("the %s", "library's")

    ours, library = map(json.loads, capsys.readouterr().out.splitlines())
    assert ours.pop("timestamp") <= library.pop("timestamp")
    assert ours == {"event": "ours", "answer": 42, "level": "info", "request_id": "abc"}
    assert library == {
        "event": "the library's",
        "level": "info",
        "logger": "library",
        "request_id": "abc",
    }


def test_text_lines_show_level_and_values(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure()
    structlog.get_logger().warning("ours", answer=42)

    (line,) = capsys.readouterr().out.splitlines()
    assert "[warning" in line
    assert "answer=42" in line


async def test_closing_the_database_logs_nothing(
    configure: Configure, clean_database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure()
    await Database(clean_database_url).close()

    assert capsys.readouterr().out == ""


def test_lines_below_the_level_are_not_written(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(log_level="warning")
    structlog.get_logger().info("ours")
    logging.getLogger("library").info("theirs")

    assert capsys.readouterr().out == ""


async def test_audit_log_is_written_at_every_level(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(log_level="critical")
    await audit("update", user=7, by=1)

    assert "action=update" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["uvicorn.error", "uvicorn", "library"])
def test_configuring_twice_writes_no_line_twice(
    name: str, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure()
    configure_logging(get_settings())
    logging.getLogger(name).warning("once")

    assert capsys.readouterr().out.count("once") == 1


def test_requests_cancelled_by_a_stopping_server_leave_no_traceback(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure()
    server = logging.getLogger("uvicorn.error")
    server.error("Cancel 1 running task(s), timeout graceful shutdown exceeded")
    server.error("Exception in ASGI application", exc_info=asyncio.CancelledError())
    server.error("Exception in ASGI application", exc_info=ValueError())

    lines = capsys.readouterr().out
    assert "Cancel 1 running" in lines
    assert "CancelledError" not in lines
    assert lines.count("Exception in ASGI application") == 1


def test_access_log_of_the_server_is_dropped(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure()
    logging.getLogger("uvicorn.access").info('%s - "%s"', "client", "GET /?token=secret")

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize(
    ("text", "written"),
    [
        (f"/ws/notifications?%74oken={JWT}", "/ws/notifications?[redacted]"),
        (f"authorization: Bearer {JWT}", "authorization: Bearer [redacted]"),
    ],
)
def test_secrets_in_any_text_are_redacted(
    text: str,
    written: str,
    log_format: str,
    configure: Configure,
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(log_format=log_format)
    logging.getLogger("uvicorn.error").warning('%s - "WebSocket %s" %d', "client", text, 101)
    structlog.get_logger().warning("socket", path=text)
    try:
        raise ValueError(text)
    except ValueError:
        logging.getLogger("library").exception("It failed")

    lines = capsys.readouterr().out
    assert lines.count(written) == 3
    assert JWT not in lines


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_traceback_shows_no_values_of_variables(
    log_format: str, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    password = "correct horse"
    configure(log_format=log_format)
    try:
        raise ValueError(len(password))
    except ValueError:
        structlog.get_logger().exception("It failed")

    lines = capsys.readouterr().out
    assert "ValueError: 13" in lines
    assert lines.count(password) == lines.count("password = ")  # at most in the line of source code


def test_control_characters_are_escaped_and_lines_kept(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure()
    logging.getLogger("library").warning("%s\nsecond line", "\x9b31m")

    assert "\\x9b31m\nsecond line" in capsys.readouterr().out


def test_colours_of_a_terminal_are_kept(
    configure: Configure, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    configure()
    structlog.get_logger().warning("ours")

    assert "\x1b[" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "written"), [("uvicorn.asgi", 0), ("app.posts", 1)])
def test_debug_records_of_libraries_are_dropped_whatever_their_level(
    name: str, written: int, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(log_level="debug")
    logger = logging.getLogger(name)
    logger.setLevel(logging.DEBUG)
    logger.debug("headers")
    logger.setLevel(logging.NOTSET)

    assert capsys.readouterr().out.count("headers") == written


async def test_frame_that_is_not_utf8_is_not_logged_as_an_error(
    echoing: FastAPI, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    key = base64.b64encode(bytes(16)).decode()
    handshake = (
        "GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
    async with clients.live_server(echoing) as address:
        configure()
        url = httpx.URL(address)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(handshake.encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x81\x81" + bytes(4) + b"\xff")  # a masked text frame
        close_frame = await reader.read()
        writer.close()

    assert int.from_bytes(close_frame[2:4]) == 1007
    lines = capsys.readouterr().out
    assert "path=/echo" in lines
    assert "error" not in lines


async def test_tokens_and_parameters_are_not_written_even_at_debug_level(
    app: FastAPI,
    echoing: FastAPI,
    user: User,
    make_token: MakeToken,
    configure: Configure,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    echoing.state.database = app.state.database
    token = make_token(user)
    ways: list[dict[str, Any]] = [
        {"url": f"/echo?token={token}"},
        {"url": "/echo", "headers": clients.bearer(token)},
        {"url": "/echo", "subprotocols": ["v1", f"bearer.{token}"]},
    ]
    socket: AsyncWebSocketSession
    async with clients.live_server(echoing) as address:
        configure(log_level="debug")
        monkeypatch.setattr(logging.getLogger("httpx"), "level", logging.WARNING)  # the client's
        async with network_client(address) as client:
            await client.get("/auth/me", headers=clients.bearer(token))
            for way in ways:
                async with aconnect_ws(client=client, **way) as socket:
                    await socket.send_json({"token": token})
                    await socket.receive_json()

    lines = capsys.readouterr().out
    assert lines.count("path=/echo ") == len(ways)
    assert "token=" not in lines
    assert "< TEXT" not in lines  # the server logs frames and headers at this level
    assert token not in lines
    assert "user@example.com" not in lines  # the driver logs parameters at this level
