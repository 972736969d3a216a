import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import User
from app.realtime import hub as hub_module
from app.realtime.broker import Message
from app.realtime.hub import Hub
from app.settings import Settings, get_settings
from tests.conftest import MakeToken, MakeUser, WsConnect
from tests.realtime.subscriptions import revoke_while_verifying

PassTime = Callable[[float], Awaitable[None]]

PATH = "/ws/notifications"
PING = {"type": "ping"}
PONG = {"type": "pong"}


async def ask(socket: AsyncWebSocketSession, frame: object) -> dict[str, Any]:
    await socket.send_json(frame)
    answer: dict[str, Any] = await socket.receive_json(timeout=2)
    return answer


async def close_code(socket: AsyncWebSocketSession) -> int:
    """Read on until the service closes the socket."""
    try:
        while True:
            await socket.receive(timeout=2)
    except WebSocketDisconnect as closed:
        return int(closed.code)


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> PassTime:
    """Put the clock of the hub forward by seconds; by then the hub has looked at it."""
    monkeypatch.setattr(hub_module, "TICK_SECONDS", 0.01)

    async def pass_time(seconds: float) -> None:
        looked = asyncio.Event()

        def monotonic() -> float:
            looked.set()
            return time.monotonic() + seconds

        monkeypatch.setattr(hub_module, "time", SimpleNamespace(monotonic=monotonic))
        async with asyncio.timeout(5):
            await looked.wait()

    return pass_time


@pytest.fixture
def hub(app: FastAPI) -> Hub:
    hub: Hub = app.state.hub
    return hub


async def test_a_ping_is_answered(ws_connect: WsConnect, user: User, make_token: MakeToken) -> None:
    async with ws_connect(PATH, make_token(user)) as socket:
        assert await ask(socket, PING) == PONG


async def test_more_pings_may_come_at_once_than_events_may_wait(
    ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    async with ws_connect(PATH, make_token(user)) as socket:
        for _ in range(99):
            await socket.send_json(PING)
        for _ in range(99):
            assert await socket.receive_json(timeout=2) == PONG


async def test_a_user_who_sends_too_many_frames_a_second_is_closed_with_4429(
    ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    async with ws_connect(PATH, make_token(user)) as socket:
        for _ in range(300):
            await socket.send_json(PING)
        assert await close_code(socket) == 4429


async def test_what_was_missed_is_resumed(
    ws_connect: WsConnect, user: User, make_token: MakeToken, hub: Hub
) -> None:
    ids = [await hub.publish("news", number) for number in range(3)]
    async with ws_connect(PATH, make_token(user)) as socket:
        assert (await ask(socket, {"type": "resume", "after": ids[0]}))["id"] == ids[1]
        assert (await socket.receive_json(timeout=2))["id"] == ids[2]
        assert await ask(socket, PING) == PONG


async def test_what_was_missed_is_gone_and_resume_says_so(
    ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    async with ws_connect(PATH, make_token(user)) as socket:
        assert await ask(socket, {"type": "resume", "after": "1-1"}) == {"type": "reset"}


async def test_a_bad_frame_is_answered_and_the_socket_stays(
    ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    async with ws_connect(PATH, make_token(user)) as socket:
        await socket.send_text("{")
        assert (await socket.receive_json(timeout=2))["code"] == "invalid_json"
        await socket.send_bytes(b'{"type": "ping"}')
        assert (await socket.receive_json(timeout=2))["code"] == "not_text"
        assert (await ask(socket, {"type": "subscribe"}))["code"] == "unknown_type"
        assert await ask(socket, PING) == PONG


async def test_the_tenth_bad_frame_in_a_row_is_the_last(
    ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    async with ws_connect(PATH, make_token(user)) as socket:
        for _ in range(9):
            assert (await ask(socket, "bad"))["type"] == "error"
        assert await ask(socket, PING) == PONG  # starts the count again
        for _ in range(100):
            await socket.send_json("bad")
        for _ in range(10):
            assert (await socket.receive_json(timeout=2))["type"] == "error"
        assert await close_code(socket) == 1008


async def test_events_arrive_in_order_on_every_socket_of_a_user(
    ws_connect: WsConnect, user: User, make_token: MakeToken, hub: Hub
) -> None:
    async with (
        ws_connect(PATH, make_token(user)) as laptop,
        ws_connect(PATH, make_token(user)) as phone,
    ):
        for number in range(3):
            await hub.publish("news", number, user_id=user.id)

        for socket in (laptop, phone):
            events = [await socket.receive_json(timeout=2) for _ in range(3)]
            assert [event["data"] for event in events] == [0, 1, 2]


async def test_a_client_that_leaves_leaves_nothing_behind(
    ws_connect: WsConnect,
    user: User,
    make_token: MakeToken,
    hub: Hub,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tasks = asyncio.all_tasks()
    async with ws_connect(PATH, make_token(user)) as socket:
        await ask(socket, PING)
        assert len(hub) == 1

    assert len(hub) == 0
    assert asyncio.all_tasks() == tasks
    assert not [record for record in caplog.records if record.name.startswith("app")]


async def test_one_socket_too_many_is_closed_with_4429(
    app: FastAPI, ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    app.dependency_overrides[get_settings] = lambda: Settings(ws_max_sockets_per_user=1)
    async with (
        ws_connect(PATH, make_token(user)) as first,
        ws_connect(PATH, make_token(user)) as second,
    ):
        assert await close_code(second) == 4429
        assert await ask(first, PING) == PONG


async def test_a_socket_that_is_too_slow_is_closed_with_4408(
    ws_connect: WsConnect, user: User, make_token: MakeToken, hub: Hub
) -> None:
    async with ws_connect(PATH, make_token(user)) as socket:
        await ask(socket, PING)
        for number in range(65):  # at once: the writer has no turn
            hub.deliver(Message("event", event="news", id=str(number)))

        assert await close_code(socket) == 4408
    assert len(hub) == 0


async def test_a_socket_is_warned_of_the_end_of_its_token_and_then_closed_with_4401(
    ws_connect: WsConnect, user: User, make_token: MakeToken, pass_time: PassTime
) -> None:
    end = time.time() + 3600
    async with ws_connect(PATH, make_token(user, exp=end)) as socket:
        await pass_time(3550)
        warning = await socket.receive_json(timeout=2)

        assert warning == {
            "type": "token_expiring",
            "expires_at": datetime.fromtimestamp(end, UTC).isoformat(),
        }
        assert await ask(socket, PING) == PONG
        await pass_time(3600)
        assert await close_code(socket) == 4401


async def test_a_new_token_extends_the_session(
    ws_connect: WsConnect, user: User, make_token: MakeToken, pass_time: PassTime
) -> None:
    end = time.time() + 7200
    async with ws_connect(PATH, make_token(user, exp=time.time() + 3600)) as socket:
        answer = await ask(socket, {"type": "auth", "token": make_token(user, exp=end)})

        assert answer == {
            "type": "authenticated",
            "expires_at": datetime.fromtimestamp(end, UTC).isoformat(),
        }
        await pass_time(3600)
        assert await ask(socket, PING) == PONG


async def test_a_socket_keeps_the_token_that_lasts_longer(
    ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    end = int(time.time()) + 60
    async with ws_connect(PATH, make_token(user, exp=end)) as socket:
        answer = await ask(socket, {"type": "auth", "token": make_token(user, exp=end - 1)})

    assert answer["expires_at"] == datetime.fromtimestamp(end, UTC).isoformat()


async def test_neither_a_bad_token_nor_that_of_another_user_extends_the_session(
    ws_connect: WsConnect, user: User, make_user: MakeUser, make_token: MakeToken
) -> None:
    other = make_token(await make_user())
    nobody = make_token(User(id=404, role="user"))
    async with ws_connect(PATH, make_token(user)) as socket:
        for token in ("garbage", other, nobody):
            answer = await ask(socket, {"type": "auth", "token": token})
            assert answer["type"] == "error"
            assert answer["code"] == "invalid_token"


async def test_a_token_revoked_while_it_is_verified_opens_no_socket(
    ws_connect: WsConnect, hub: Hub, user: User, make_token: MakeToken, async_db: AsyncSession
) -> None:
    revoke_while_verifying(async_db, hub, Message("disconnect", user.id))

    async with ws_connect(PATH, make_token(user)) as socket:
        assert await close_code(socket) == 4401


async def test_a_bug_closes_the_socket_with_1011_and_without_its_text(
    ws_connect: WsConnect,
    user: User,
    make_token: MakeToken,
    app: FastAPI,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with ws_connect(PATH, make_token(user)) as socket:
        await ask(socket, PING)
        app.state.database = None  # the next frame needs it
        await socket.send_json({"type": "auth", "token": make_token(user)})
        with pytest.raises(WebSocketDisconnect) as closed:
            await socket.receive(timeout=2)

    assert (closed.value.code, closed.value.reason) == (1011, "")
    assert "the lifespan has not run" in caplog.text


async def test_a_bug_in_sending_closes_the_socket_with_1011_too(
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
