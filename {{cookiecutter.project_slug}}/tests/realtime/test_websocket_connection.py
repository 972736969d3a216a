import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import User
from app.realtime import hub as hub_module
from app.realtime.brokers.base import Message
from app.realtime.hub import Hub
from app.realtime.websocket_connection import Connection
from app.settings import Settings, get_settings
from tests.conftest import MakeToken, MakeUser, WsConnect
from tests.realtime.subscriptions import revoke_while_verifying, socket_subscription
from tests.waiting import limited

AdvanceClock = Callable[[float], Awaitable[None]]

PATH = "/ws/notifications"
PING = {"type": "ping"}
PONG = {"type": "pong"}


async def request(socket: AsyncWebSocketSession, frame: object) -> dict[str, Any]:
    """Send a frame and return the response."""
    await socket.send_json(frame)
    response: dict[str, Any] = await socket.receive_json()
    return response


async def close_code(socket: AsyncWebSocketSession) -> int:
    """Read until the service closes the socket; return the close code."""
    try:
        while True:
            await socket.receive()
    except WebSocketDisconnect as closed:
        return int(closed.code)


@pytest.fixture
def advance_clock(monkeypatch: pytest.MonkeyPatch) -> AdvanceClock:
    """Advance the clock of the hub by seconds, and wait until the hub has read it."""
    monkeypatch.setattr(hub_module, "TICK_SECONDS", 0.01)

    async def advance_clock(seconds: float) -> None:
        was_read = asyncio.Event()

        def monotonic() -> float:
            was_read.set()
            return time.monotonic() + seconds

        monkeypatch.setattr(hub_module, "time", SimpleNamespace(monotonic=monotonic))
        async with limited():
            await was_read.wait()

    return advance_clock


@pytest.fixture
def hub(app: FastAPI) -> Hub:
    hub: Hub = app.state.hub
    return hub


async def test_ping_gets_a_pong(ws_connect: WsConnect, user: User, make_token: MakeToken) -> None:
    async with ws_connect(PATH, make_token(user)) as socket:
        assert await request(socket, PING) == PONG


async def test_client_can_send_more_pings_at_once_than_the_queue_holds(
    ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    async with ws_connect(PATH, make_token(user)) as socket:
        for _ in range(99):
            await socket.send_json(PING)
        for _ in range(99):
            assert await socket.receive_json() == PONG


async def test_user_above_the_frame_rate_is_closed_with_4429(
    app: FastAPI, ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    app.dependency_overrides[get_settings] = lambda: Settings(ws_frames_per_second=1)
    async with ws_connect(PATH, make_token(user)) as socket:
        for _ in range(5):
            await socket.send_json(PING)
        assert await close_code(socket) == 4429


async def test_client_can_resume_missed_events(
    ws_connect: WsConnect, user: User, make_token: MakeToken, hub: Hub
) -> None:
    ids = [await hub.publish("news", number) for number in range(3)]
    async with ws_connect(PATH, make_token(user)) as socket:
        assert (await request(socket, {"type": "resume", "after": ids[0]}))["id"] == ids[1]
        assert (await socket.receive_json())["id"] == ids[2]
        assert await request(socket, PING) == PONG


async def test_client_that_resumes_from_an_unknown_id_gets_a_reset(
    ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    async with ws_connect(PATH, make_token(user)) as socket:
        assert await request(socket, {"type": "resume", "after": "1-1"}) == {"type": "reset"}


async def test_bad_frame_gets_an_error_and_the_socket_stays_open(
    ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    async with ws_connect(PATH, make_token(user)) as socket:
        await socket.send_text("{")
        assert (await socket.receive_json())["code"] == "invalid_json"
        await socket.send_bytes(b'{"type": "ping"}')
        assert (await socket.receive_json())["code"] == "not_text"
        assert (await request(socket, {"type": "subscribe"}))["code"] == "unknown_type"
        assert await request(socket, PING) == PONG


async def test_socket_is_closed_with_1008_after_ten_bad_frames_in_a_row(
    ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    async with ws_connect(PATH, make_token(user)) as socket:
        for _ in range(9):
            assert (await request(socket, "bad"))["type"] == "error"
        assert await request(socket, PING) == PONG  # resets the count
        for _ in range(100):
            await socket.send_json("bad")
        for _ in range(10):
            assert (await socket.receive_json())["type"] == "error"
        with pytest.raises(WebSocketDisconnect) as closed:  # at once
            await socket.receive()
        assert closed.value.code == 1008


async def test_every_socket_of_a_user_receives_events_in_order(
    ws_connect: WsConnect, user: User, make_token: MakeToken, hub: Hub
) -> None:
    async with (
        ws_connect(PATH, make_token(user)) as laptop,
        ws_connect(PATH, make_token(user)) as phone,
    ):
        for number in range(3):
            await hub.publish("news", number, user_id=user.id)

        for socket in (laptop, phone):
            events = [await socket.receive_json() for _ in range(3)]
            assert [event["data"] for event in events] == [0, 1, 2]


async def test_disconnected_client_leaves_no_subscription_task_or_log_line(
    ws_connect: WsConnect,
    user: User,
    make_token: MakeToken,
    hub: Hub,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tasks = asyncio.all_tasks()
    async with ws_connect(PATH, make_token(user)) as socket:
        await request(socket, PING)
        assert len(hub.connections.subscriptions()) == 1

    assert len(hub.connections.subscriptions()) == 0
    assert asyncio.all_tasks() == tasks
    assert not [record for record in caplog.records if record.name.startswith("app")]


async def test_socket_above_the_limit_of_its_user_is_closed_with_4429(
    app: FastAPI, ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    app.dependency_overrides[get_settings] = lambda: Settings(ws_max_sockets_per_user=1)
    async with (
        ws_connect(PATH, make_token(user)) as first,
        ws_connect(PATH, make_token(user)) as second,
    ):
        assert await close_code(second) == 4429
        assert await request(first, PING) == PONG


async def test_slow_socket_is_closed_with_4408(
    ws_connect: WsConnect, user: User, make_token: MakeToken, hub: Hub
) -> None:
    async with ws_connect(PATH, make_token(user)) as socket:
        await request(socket, PING)
        for number in range(65):  # without a turn of the writer
            hub.deliver(Message("event", event="news", id=str(number)))

        assert await close_code(socket) == 4408
    assert len(hub.connections.subscriptions()) == 0


async def test_socket_is_warned_before_its_token_expires_and_then_closed_with_4401(
    ws_connect: WsConnect, user: User, make_token: MakeToken, advance_clock: AdvanceClock
) -> None:
    end = time.time() + 3600
    async with ws_connect(PATH, make_token(user, exp=end)) as socket:
        await advance_clock(3550)
        warning = await socket.receive_json()

        assert warning == {
            "type": "token_expiring",
            "expires_at": datetime.fromtimestamp(end, UTC).isoformat(),
        }
        assert await request(socket, PING) == PONG
        await advance_clock(3600)
        assert await close_code(socket) == 4401


async def test_new_token_extends_the_session(
    ws_connect: WsConnect, user: User, make_token: MakeToken, advance_clock: AdvanceClock
) -> None:
    end = time.time() + 7200
    async with ws_connect(PATH, make_token(user, exp=time.time() + 3600)) as socket:
        response = await request(socket, {"type": "auth", "token": make_token(user, exp=end)})

        assert response == {
            "type": "authenticated",
            "expires_at": datetime.fromtimestamp(end, UTC).isoformat(),
        }
        await advance_clock(3600)
        assert await request(socket, PING) == PONG


async def test_socket_keeps_the_token_that_expires_later(
    ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    end = int(time.time()) + 60
    async with ws_connect(PATH, make_token(user, exp=end)) as socket:
        response = await request(socket, {"type": "auth", "token": make_token(user, exp=end - 1)})

    assert response["expires_at"] == datetime.fromtimestamp(end, UTC).isoformat()


async def test_session_is_not_extended_by_an_invalid_token_or_that_of_another_user(
    ws_connect: WsConnect, user: User, make_user: MakeUser, make_token: MakeToken
) -> None:
    other = make_token(await make_user())
    unknown = make_token(User(id=404, role="user"))
    async with ws_connect(PATH, make_token(user)) as socket:
        for token in ("garbage", other, unknown):
            response = await request(socket, {"type": "auth", "token": token})
            assert response["type"] == "error"
            assert response["code"] == "invalid_token"


async def test_token_revoked_during_its_verification_opens_no_socket(
    ws_connect: WsConnect, hub: Hub, user: User, make_token: MakeToken, async_db: AsyncSession
) -> None:
    revoke_while_verifying(async_db, hub, Message("disconnect", user.id))

    async with ws_connect(PATH, make_token(user)) as socket:
        assert await close_code(socket) == 4401


async def test_exception_closes_the_socket_with_1011_and_without_its_message(
    ws_connect: WsConnect,
    user: User,
    make_token: MakeToken,
    app: FastAPI,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with ws_connect(PATH, make_token(user)) as socket:
        await request(socket, PING)
        app.state.database = None  # the next frame needs it
        await socket.send_json({"type": "auth", "token": make_token(user)})
        with pytest.raises(WebSocketDisconnect) as closed:
            await socket.receive()

    assert (closed.value.code, closed.value.reason) == (1011, "")
    assert "the lifespan has not run" in caplog.text


async def test_exception_while_sending_closes_the_socket_with_1011(
    ws_connect: WsConnect,
    user: User,
    make_token: MakeToken,
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(WebSocket, "send_text", broken)
    async with ws_connect(PATH, make_token(user)) as socket:
        await hub.publish("news", 1)

        assert await close_code(socket) == 1011


@pytest.mark.parametrize(("end", "seconds"), [("cancellation", 3600), ("timeout", 0.01)])
async def test_connection_that_cannot_send_ends_and_leaves_no_writer(
    end: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "TICK_SECONDS", 0.01)
    received: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    received.put_nowait({"type": "websocket.connect"})
    sending = asyncio.Event()

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "websocket.send":
            sending.set()
            try:
                await asyncio.Future()
            finally:
                for _ in range(3):  # a server may need some turns to end
                    await asyncio.sleep(0)

    websocket = WebSocket({"type": "websocket", "headers": []}, received.get, send)
    await websocket.accept()
    hub = Hub()
    with hub.subscribe(socket_subscription(ws_send_seconds=seconds)) as subscription:
        tasks = asyncio.all_tasks()
        serving = asyncio.create_task(Connection(websocket, hub, subscription).serve())
        await hub.publish("news", 1)
        await sending.wait()
        if end == "cancellation":
            serving.cancel()
        async with limited():
            await asyncio.wait([serving])

        assert asyncio.all_tasks() == tasks
