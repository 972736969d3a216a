from contextlib import AsyncExitStack
from typing import Any

import pytest
from fastapi import FastAPI
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect, WebSocketUpgradeError, aconnect_ws

from app.auth.models import User
from app.settings import Settings, get_settings
from tests.clients import network_client
from tests.conftest import MakeToken, WsConnect

PATH = "/ws/notifications"
PING = {"type": "ping"}
PONG = {"type": "pong"}


def override_settings(app: FastAPI, **changes: Any) -> None:
    settings = Settings(**changes)
    app.dependency_overrides[get_settings] = lambda: settings


async def refused_with(ws_connect: WsConnect, path: str = PATH, **options: Any) -> int:
    """Open a socket that is closed right after accept; return the close code."""
    async with ws_connect(path, **options) as socket:
        with pytest.raises(WebSocketDisconnect) as closed:
            await socket.receive()
    return int(closed.value.code)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_token_is_accepted_in_the_authorization_header(
    scheme: str, ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    headers = {"Authorization": f"{scheme} {make_token(user)}"}

    async with ws_connect(PATH, headers=headers) as socket:
        await socket.send_json(PING)
        assert await socket.receive_json() == PONG
        assert socket.subprotocol is None


async def test_token_is_accepted_as_a_subprotocol_and_not_echoed(
    ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    version, token = "notifications.v1", f"bearer.{make_token(user)}"

    for offered, selected in (
        ([version, token], version),
        ([token, version], version),
        ([token], None),
    ):
        async with ws_connect(PATH, subprotocols=offered) as socket:
            await socket.send_json(PING)
            assert await socket.receive_json() == PONG
            assert socket.subprotocol == selected


async def test_token_is_accepted_in_the_query_string(
    ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    async with ws_connect(f"{PATH}?token={make_token(user)}") as socket:
        await socket.send_json(PING)
        assert await socket.receive_json() == PONG


async def test_token_in_the_query_string_can_be_disabled_by_a_setting(
    app: FastAPI, ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    override_settings(app, ws_query_token=False)

    assert await refused_with(ws_connect, f"{PATH}?token={make_token(user)}") == 1008


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="none"),
        pytest.param({"token": "garbage"}, id="garbage"),
        pytest.param({"path": f"{PATH}?token=garbage"}, id="garbage-in-the-query-string"),
        pytest.param({"headers": {"Authorization": "Basic eDp5"}}, id="another-scheme"),
        pytest.param({"subprotocols": ["notifications.v1"]}, id="no-bearer-subprotocol"),
    ],
)
async def test_socket_without_a_valid_token_is_closed_at_once_and_never_subscribed(
    options: dict[str, Any], app: FastAPI, ws_connect: WsConnect
) -> None:
    async with ws_connect(**{"path": PATH} | options) as socket:
        assert len(app.state.hub.connections.subscriptions()) == 0
        assert socket.subprotocol == next(iter(options.get("subprotocols", [])), None)
        with pytest.raises(WebSocketDisconnect) as closed:
            await socket.receive()

    assert closed.value.code == 1008


@pytest.mark.parametrize(
    "change",
    [{"exp": 1}, {"aud": "another-service"}, {"iss": "another-service"}, {"sub": None}],
    ids=str,
)
async def test_invalid_token_is_refused(
    change: dict[str, Any], ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    assert await refused_with(ws_connect, token=make_token(user, **change)) == 1008


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://testserver.evil.example",
        "http://eviltestserver",
        "http://testserver:8080",
        "http://[",
        "ftp://testserver",
        "testserver",
    ],
)
async def test_foreign_origin_is_refused_before_accept(
    origin: str, ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    socket = ws_connect(PATH, make_token(user), headers={"Origin": origin})
    async with AsyncExitStack() as stack:
        with pytest.raises(WebSocketDisconnect) as closed:
            await stack.enter_async_context(socket)

    assert closed.value.code == 1008


@pytest.mark.parametrize(
    "origin", ["https://app.example", "http://testserver", "https://testserver"]
)
async def test_allowed_origin_and_the_host_of_the_service_are_accepted(
    origin: str, app: FastAPI, ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    override_settings(app, allowed_origins="https://app.example")

    async with ws_connect(PATH, make_token(user), headers={"Origin": origin}) as socket:
        await socket.send_json(PING)
        assert await socket.receive_json() == PONG


async def test_real_server_sends_1008_for_an_invalid_token_and_403_for_a_foreign_origin(
    live_server: str,
) -> None:
    foreign = {"Origin": "https://evil.example"}
    socket: AsyncWebSocketSession
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(network_client(live_server))
        socket = await stack.enter_async_context(aconnect_ws(PATH, client))
        with pytest.raises(WebSocketDisconnect) as closed:
            await socket.receive()
        with pytest.raises(WebSocketUpgradeError) as refused:
            await stack.enter_async_context(aconnect_ws(PATH, client, headers=foreign))

    assert closed.value.code == 1008
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("way", ["header", "subprotocol"])
@pytest.mark.parametrize("valid", [True, False])
async def test_only_the_most_private_of_several_tokens_counts(
    way: str, valid: bool, ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    """A header is never logged, and a subprotocol less often than a URL."""
    first, later = make_token(user), "garbage"
    if not valid:
        first, later = later, first
    token, offered = (first, later) if way == "header" else (None, first)

    socket_of = ws_connect(f"{PATH}?token={later}", token, subprotocols=[f"bearer.{offered}"])
    async with socket_of as socket:
        if valid:
            await socket.send_json(PING)
            assert await socket.receive_json() == PONG
        else:
            with pytest.raises(WebSocketDisconnect) as closed:
                await socket.receive()
            assert closed.value.code == 1008


async def test_forged_token_is_refused_without_the_database(
    app: FastAPI, ws_connect: WsConnect, user: User, make_token: MakeToken
) -> None:
    expired, valid = make_token(user, exp=1), make_token(user)
    app.state.database = None

    assert await refused_with(ws_connect, token=expired) == 1008
    with pytest.raises(RuntimeError, match="no database"):
        await refused_with(ws_connect, token=valid)
