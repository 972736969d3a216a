"""The fixtures keep the promises that other tests rely on."""

import asyncio
from http import HTTPStatus

import httpx
import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import User
from app.settings import Settings, get_settings
from tests import clients
from tests.clients import bearer
from tests.conftest import MakeToken, MakeUser
from tests.users import new_user


@pytest.mark.parametrize("run", ["first", "second"])
async def test_what_one_test_commits_the_next_one_does_not_see(
    run: str, async_db: AsyncSession
) -> None:
    assert await async_db.scalar(select(func.count(User.id))) == 0

    async_db.add(await new_user("same"))
    await async_db.commit()
    async_db.add(await new_user("same"))
    with pytest.raises(IntegrityError):
        await async_db.commit()
    await async_db.rollback()
    async_db.add(await new_user("other"))
    await async_db.commit()

    assert await async_db.scalar(select(func.count(User.id))) == 2


async def test_each_client_is_who_it_says(
    async_client: httpx.AsyncClient,
    anonymous_client: httpx.AsyncClient,
    auth_headers: dict[str, str],
    user: User,
) -> None:
    signed_in = await async_client.get("/auth/me")
    anonymous = await anonymous_client.get("/auth/me")
    with_token = await anonymous_client.get("/auth/me", headers=auth_headers)

    assert signed_in.json() == with_token.json()
    assert signed_in.json()["id"] == user.id
    assert anonymous.status_code == HTTPStatus.UNAUTHORIZED


async def test_a_request_with_a_token_is_whose_the_token_is(
    async_client: httpx.AsyncClient, make_user: MakeUser, make_token: MakeToken
) -> None:
    other = await make_user()

    me = await async_client.get("/auth/me", headers=bearer(make_token(other)))

    assert me.json()["id"] == other.id


async def test_a_real_server_is_in_the_transaction_of_the_test(
    live_server: str, auth_headers: dict[str, str], user: User
) -> None:
    async with httpx.AsyncClient(base_url=live_server, headers=auth_headers) as client:
        assert (await client.get("/auth/me")).json()["id"] == user.id


async def test_a_socket_offers_the_protocols_that_its_test_names() -> None:
    app = FastAPI()

    @app.websocket("/offered")
    async def offered(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json(websocket.scope["subprotocols"])

    async with clients.websocket(app, "/offered", subprotocols=["v1", "v2"]) as socket:
        assert await socket.receive_json(timeout=2) == ["v1", "v2"]


async def test_an_override_ends_with_its_test(app: FastAPI) -> None:
    assert app.dependency_overrides == {}


def test_the_synchronous_client_is_signed_in_too(client: TestClient, user: User) -> None:
    assert client.get("/auth/me").json()["id"] == user.id


async def test_the_synchronous_client_is_refused_to_an_asynchronous_test(
    request: pytest.FixtureRequest,
    app: FastAPI,
    signed_in: dict[str, str],
    loop: asyncio.AbstractEventLoop,
) -> None:
    with pytest.raises(pytest.fail.Exception, match="take `async_client`"):
        request.getfixturevalue("client")


def test_no_setting_comes_from_outside(database_url: str) -> None:
    assert Settings.model_config["env_file"] is None
    assert get_settings().database_url == database_url
