import asyncio
import json
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import User
from app.auth.sessions import LoginSession, rotate, start_session
from app.auth.tokens import create_access_token, decode_access_token
from app.database import Database
from tests.clients import bearer
from tests.conftest import MakeUser, WsConnect

PASSWORD = "correct horse"


async def login(client: httpx.AsyncClient, user: User) -> dict[str, Any]:
    form = {"username": user.email, "password": PASSWORD}
    tokens: dict[str, Any] = (await client.post("/auth/token", data=form)).json()
    return tokens


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    content = json.dumps({"refresh_token": token})  # escapes what httpx could not encode
    headers = {"Content-Type": "application/json"}
    return await client.post("/auth/refresh", content=content, headers=headers)


async def status(client: httpx.AsyncClient, tokens: dict[str, Any]) -> int:
    """Of what the access token gets."""
    return (await client.get("/auth/me", headers=bearer(tokens["access_token"]))).status_code


async def close_code(socket: AsyncWebSocketSession) -> int:
    with pytest.raises(WebSocketDisconnect) as closed:
        await socket.receive(timeout=2)
    return int(closed.value.code)


@pytest.fixture
async def ada(make_user: MakeUser) -> User:
    return await make_user("ada@example.com", password=PASSWORD)


async def test_a_refresh_token_is_exchanged_for_the_next_tokens_of_the_session(
    anonymous_client: httpx.AsyncClient, ada: User
) -> None:
    first = await login(anonymous_client, ada)

    second = (await refresh(anonymous_client, first["refresh_token"])).json()

    assert second["refresh_token"] != first["refresh_token"]
    assert second["expires_in"] == 900
    one, two = (decode_access_token(tokens["access_token"]) for tokens in (first, second))
    assert one.session_id == two.session_id
    assert await status(anonymous_client, second) == HTTPStatus.OK


async def test_an_old_refresh_token_ends_its_session_and_no_other(
    anonymous_client: httpx.AsyncClient, ada: User
) -> None:
    other = await login(anonymous_client, ada)
    first = await login(anonymous_client, ada)
    second = (await refresh(anonymous_client, first["refresh_token"])).json()

    reused = await refresh(anonymous_client, first["refresh_token"])

    assert reused.status_code == HTTPStatus.UNAUTHORIZED
    assert reused.headers["www-authenticate"] == "Bearer"
    assert (await refresh(anonymous_client, second["refresh_token"])).status_code == 401
    assert await status(anonymous_client, first) == HTTPStatus.UNAUTHORIZED
    assert await status(anonymous_client, second) == HTTPStatus.UNAUTHORIZED
    assert await status(anonymous_client, other) == HTTPStatus.OK


async def test_of_two_uses_at_once_only_one_is_the_first(clean_database: Database) -> None:
    async with clean_database.session() as db:
        db.add(user := User(email="ada@example.com", password_hash=""))
        await db.flush()
        token = await start_session(db, user.id)
        await db.commit()

    async def use() -> bool:
        async with clean_database.session() as db:
            rotated = await rotate(db, token)
            await db.commit()
            return rotated is not None

    assert sorted(await asyncio.gather(use(), use())) == [False, True]


@pytest.mark.parametrize("token", ["", "garbage", ".", "a.b", "\0", "\ud800", "x" * 100_000])
async def test_what_is_no_refresh_token_is_refused(
    token: str, anonymous_client: httpx.AsyncClient
) -> None:
    response = await refresh(anonymous_client, token)

    assert response.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.UNPROCESSABLE_ENTITY}
    assert not token or token not in response.text


async def test_an_access_token_is_no_refresh_token_nor_the_reverse(
    anonymous_client: httpx.AsyncClient, ada: User
) -> None:
    tokens = await login(anonymous_client, ada)
    swapped = {"access_token": tokens["refresh_token"]}

    assert (await refresh(anonymous_client, tokens["access_token"])).status_code == 401
    assert await status(anonymous_client, swapped) == HTTPStatus.UNAUTHORIZED


async def test_no_refresh_token_is_stored(
    anonymous_client: httpx.AsyncClient, ada: User, async_db: AsyncSession
) -> None:
    token = (await login(anonymous_client, ada))["refresh_token"]

    row = (await async_db.execute(select(LoginSession.__table__))).one()

    assert not any(part in str(row) for part in token.split("."))


async def test_a_session_that_is_not_refreshed_ends(
    anonymous_client: httpx.AsyncClient, ada: User, async_db: AsyncSession
) -> None:
    tokens = await login(anonymous_client, ada)
    expired = datetime.now(UTC) - timedelta(seconds=1)
    await async_db.execute(update(LoginSession).values(expires_at=expired))

    assert (await refresh(anonymous_client, tokens["refresh_token"])).status_code == 401


async def test_a_login_sweeps_away_sessions_that_have_ended(
    anonymous_client: httpx.AsyncClient, ada: User, async_db: AsyncSession
) -> None:
    await login(anonymous_client, ada)
    await async_db.execute(update(LoginSession).values(expires_at=datetime.now(UTC)))
    await login(anonymous_client, ada)

    assert await async_db.scalar(select(func.count()).select_from(LoginSession)) == 1


async def test_a_logout_ends_one_session(anonymous_client: httpx.AsyncClient, ada: User) -> None:
    other, ended = await login(anonymous_client, ada), await login(anonymous_client, ada)

    response = await anonymous_client.post("/auth/logout", headers=bearer(ended["access_token"]))

    assert response.status_code == HTTPStatus.NO_CONTENT
    assert await status(anonymous_client, ended) == HTTPStatus.UNAUTHORIZED
    assert (await refresh(anonymous_client, ended["refresh_token"])).status_code == 401
    assert await status(anonymous_client, other) == HTTPStatus.OK


async def test_a_logout_with_a_token_without_session_ends_them_all(
    anonymous_client: httpx.AsyncClient, ada: User
) -> None:
    tokens = await login(anonymous_client, ada)
    sessionless = {"access_token": create_access_token(ada.id, ada.role)}

    await anonymous_client.post("/auth/logout", headers=bearer(sessionless["access_token"]))

    assert await status(anonymous_client, sessionless) == HTTPStatus.UNAUTHORIZED
    assert await status(anonymous_client, tokens) == HTTPStatus.UNAUTHORIZED


async def test_the_session_of_another_user_is_none(
    anonymous_client: httpx.AsyncClient, ada: User, user: User
) -> None:
    tokens = await login(anonymous_client, ada)
    session_id = decode_access_token(tokens["access_token"]).session_id
    mixed = {"access_token": create_access_token(user.id, user.role, session_id)}

    assert await status(anonymous_client, mixed) == HTTPStatus.UNAUTHORIZED


async def test_a_new_password_ends_all_sessions_and_is_the_one_that_counts(
    anonymous_client: httpx.AsyncClient, ada: User
) -> None:
    tokens = await login(anonymous_client, ada)
    sessionless = {"access_token": create_access_token(ada.id, ada.role)}
    change = {"current_password": PASSWORD, "new_password": "battery staple"}

    changed = await anonymous_client.put(
        "/auth/me/password", json=change, headers=bearer(tokens["access_token"])
    )

    assert changed.status_code == HTTPStatus.NO_CONTENT
    assert await status(anonymous_client, tokens) == HTTPStatus.UNAUTHORIZED
    assert await status(anonymous_client, sessionless) == HTTPStatus.UNAUTHORIZED
    assert (await refresh(anonymous_client, tokens["refresh_token"])).status_code == 401
    assert (await login(anonymous_client, ada))["status"] == HTTPStatus.UNAUTHORIZED
    form = {"username": ada.email, "password": "battery staple"}
    again = await anonymous_client.post("/auth/token", data=form)
    assert await status(anonymous_client, again.json()) == HTTPStatus.OK


async def test_sockets_are_closed_with_their_session(
    anonymous_client: httpx.AsyncClient, ada: User, ws_connect: WsConnect
) -> None:
    ended, other = await login(anonymous_client, ada), await login(anonymous_client, ada)
    headers = bearer(ended["access_token"])

    async with (
        ws_connect("/ws/notifications", ended["access_token"]) as closed,
        ws_connect("/ws/notifications", other["access_token"]) as open_,
    ):
        for socket in (closed, open_):
            await socket.send_json({"type": "ping"})
            await socket.receive_json(timeout=2)
        await anonymous_client.post("/auth/logout", headers=headers)
        assert await close_code(closed) == 4401
        await open_.send_json({"type": "ping"})
        assert await open_.receive_json(timeout=2) == {"type": "pong"}


@pytest.mark.parametrize("way", ["reuse", "password", "deactivation", "role", "logout-of-all"])
async def test_sockets_are_closed_when_access_ends(
    way: str,
    anonymous_client: httpx.AsyncClient,
    ada: User,
    make_user: MakeUser,
    ws_connect: WsConnect,
) -> None:
    first = await login(anonymous_client, ada)
    tokens = (await refresh(anonymous_client, first["refresh_token"])).json()
    headers = bearer(tokens["access_token"])
    root = await make_user("root@example.com", role="admin")
    as_admin = bearer(create_access_token(root.id, root.role))
    change = {"current_password": PASSWORD, "new_password": "battery staple"}
    path = f"/users/{ada.id}"

    async with ws_connect("/ws/notifications", tokens["access_token"]) as socket:
        await socket.send_json({"type": "ping"})
        await socket.receive_json(timeout=2)
        match way:
            case "reuse":
                await refresh(anonymous_client, first["refresh_token"])
            case "password":
                await anonymous_client.put("/auth/me/password", json=change, headers=headers)
            case "deactivation":
                await anonymous_client.patch(path, json={"active": False}, headers=as_admin)
            case "role":
                await anonymous_client.patch(path, json={"role": "admin"}, headers=as_admin)
            case _:
                sessionless = bearer(create_access_token(ada.id, ada.role))
                await anonymous_client.post("/auth/logout", headers=sessionless)
        assert await close_code(socket) == 4401


async def test_a_new_password_takes_the_current_one(
    anonymous_client: httpx.AsyncClient, ada: User
) -> None:
    tokens = await login(anonymous_client, ada)
    change = {"current_password": "wrong horse", "new_password": "battery staple"}

    refused = await anonymous_client.put(
        "/auth/me/password", json=change, headers=bearer(tokens["access_token"])
    )

    assert refused.status_code == HTTPStatus.FORBIDDEN
    assert await status(anonymous_client, tokens) == HTTPStatus.OK
