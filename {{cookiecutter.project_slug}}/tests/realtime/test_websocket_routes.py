from http import HTTPStatus
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect, aconnect_ws

from app.auth.models import User
from app.settings import Settings, get_settings
from tests.conftest import MakeToken, WsConnect


async def test_echo_returns_the_text(ws_connect: WsConnect) -> None:
    async with ws_connect("/ws/echo") as socket:
        for text in ("hello", "", "grüße 👋"):
            await socket.send_text(text)
            assert await socket.receive_text() == f"Echo: {text}"


@pytest.mark.parametrize("value", [{"a": [1, None, 2.5]}, [], "text", 7, True, None])
async def test_json_returns_the_value(value: Any, ws_connect: WsConnect) -> None:
    async with ws_connect("/ws/json") as socket:
        await socket.send_json(value)
        assert await socket.receive_json() == {"status": "ok", "received": value}


@pytest.mark.parametrize("text", ["", "{", "NaN", "1e999", "[" * 50_000])
async def test_json_reports_invalid_json_and_stays_open(text: str, ws_connect: WsConnect) -> None:
    async with ws_connect("/ws/json") as socket:
        await socket.send_text(text)
        assert (await socket.receive_json())["status"] == "error"
        await socket.send_json(1)
        assert await socket.receive_json() == {"status": "ok", "received": 1}


@pytest.mark.parametrize("path", ["/ws/echo", "/ws/json"])
async def test_binary_frame_is_refused_with_1003(path: str, ws_connect: WsConnect) -> None:
    async with ws_connect(path) as socket:
        await socket.send_bytes(b"{}")
        with pytest.raises(WebSocketDisconnect) as closed:
            await socket.receive()

    assert closed.value.code == 1003


@pytest.fixture
def one_connection_allowed(monkeypatch: pytest.MonkeyPatch, fresh_settings: None) -> None:
    monkeypatch.setenv("WS_MAX_SOCKETS", "1")


@pytest.mark.usefixtures("one_connection_allowed")
@pytest.mark.parametrize("path", ["/ws/echo", "/ws/json"])
async def test_connection_above_the_limit_of_the_process_is_refused(
    path: str, ws_connect: WsConnect, anonymous_client: httpx.AsyncClient
) -> None:
    async with ws_connect("/ws/echo") as first:
        await first.send_text("hello")
        await first.receive_text()
        async with ws_connect(path) as second:
            with pytest.raises(WebSocketDisconnect) as closed:
                await second.receive()
        stream = await anonymous_client.get("/events/heartbeat?count=1")

    assert closed.value.code == 1013
    assert stream.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert (await anonymous_client.get("/events/heartbeat?count=1")).status_code == HTTPStatus.OK


async def test_connection_above_the_limit_of_its_address_is_refused(
    app: FastAPI, ws_connect: WsConnect, anonymous_client: httpx.AsyncClient
) -> None:
    app.dependency_overrides[get_settings] = lambda: Settings(ws_max_sockets_per_address=1)
    async with ws_connect("/ws/echo") as first:
        await first.send_text("hello")
        await first.receive_text()
        async with ws_connect("/ws/json") as second:
            with pytest.raises(WebSocketDisconnect) as closed:
                await second.receive()
        stream = await anonymous_client.get("/events/heartbeat?count=1")

    assert closed.value.code == 4429
    assert stream.status_code == HTTPStatus.TOO_MANY_REQUESTS


def test_synchronous_test_can_use_sockets(
    admin_headers: dict[str, str], client: TestClient, user: User, make_token: MakeToken
) -> None:
    with client.websocket_connect("/ws/echo") as echo:
        echo.send_text("hello")
        assert echo.receive_text() == "Echo: hello"
    with client.websocket_connect(f"/ws/notifications?token={make_token(user)}") as socket:
        sent = client.post("/notifications", json={"event": "news"}, headers=admin_headers)
        assert socket.receive_json()["id"] == sent.json()["id"]


async def test_frame_above_the_maximum_size_is_refused_with_1009(live_server: str) -> None:
    socket: AsyncWebSocketSession
    async with aconnect_ws(f"{live_server}/ws/echo") as socket:
        await socket.send_text("x" * (get_settings().ws_max_frame_bytes + 1))
        with pytest.raises(WebSocketDisconnect) as closed:
            await socket.receive()

    assert closed.value.code == 1009
