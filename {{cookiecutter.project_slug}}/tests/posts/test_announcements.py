"""The events of posts: a model for features that announce changes to connected clients."""

from collections.abc import AsyncIterator
from http import HTTPStatus

import httpx
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import User
from app.dependencies import get_async_db
from app.errors import DatabaseUnavailableError
from tests.conftest import MakeToken, MakeUser, WsConnect

NEW = {"title": "Hello", "body": "World", "slug": "hello"}


async def test_new_post_is_announced_to_other_users(
    async_client: httpx.AsyncClient,
    ws_connect: WsConnect,
    make_user: MakeUser,
    make_token: MakeToken,
) -> None:
    reader = await make_user()
    async with ws_connect("/ws/notifications", make_token(reader)) as socket:
        created = await async_client.post("/posts/", json=NEW)
        event = await socket.receive_json()

    assert event == {
        "type": "event",
        "id": event["id"],
        "event": "post.created",
        "data": created.json(),
    }


async def test_refused_post_is_not_announced(
    async_client: httpx.AsyncClient,
    ws_connect: WsConnect,
    user: User,
    make_token: MakeToken,
) -> None:
    await async_client.post("/posts/", json=NEW)
    async with ws_connect("/ws/notifications", make_token(user)) as socket:
        refused = await async_client.post("/posts/", json=NEW)
        await socket.send_json({"type": "ping"})

        assert refused.status_code == HTTPStatus.CONFLICT
        assert await socket.receive_json() == {"type": "pong"}


async def test_post_whose_commit_fails_is_not_announced(
    app: FastAPI,
    async_db: AsyncSession,
    async_client: httpx.AsyncClient,
    ws_connect: WsConnect,
    user: User,
    make_token: MakeToken,
) -> None:
    async def commit_fails() -> AsyncIterator[AsyncSession]:
        yield async_db
        raise DatabaseUnavailableError

    async with ws_connect("/ws/notifications", make_token(user)) as socket:
        app.dependency_overrides[get_async_db] = commit_fails
        failed = await async_client.post("/posts/", json=NEW)
        await socket.send_json({"type": "ping"})

        assert failed.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert await socket.receive_json() == {"type": "pong"}
