"""Guarantees of the fixtures that other tests rely on."""

import asyncio
import os
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
from tests.clients import bearer, network_client
from tests.conftest import MakeToken, MakeUser, isolated_environment
from tests.users import new_user


@pytest.mark.parametrize("run", ["first", "second"])
async def test_commits_of_a_test_are_invisible_to_the_next(
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


async def test_clients_are_signed_in_as_documented(
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


async def test_token_of_a_request_overrides_the_signed_in_user(
    async_client: httpx.AsyncClient, make_user: MakeUser, make_token: MakeToken
) -> None:
    other = await make_user()

    me = await async_client.get("/auth/me", headers=bearer(make_token(other)))

    assert me.json()["id"] == other.id


async def test_live_server_shares_the_transaction_of_the_test(
    live_server: str, auth_headers: dict[str, str], user: User
) -> None:
    async with network_client(live_server, auth_headers) as client:
        assert (await client.get("/auth/me")).json()["id"] == user.id


async def test_socket_offers_the_requested_subprotocols() -> None:
    app = FastAPI()

    @app.websocket("/offered")
    async def offered(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json(websocket.scope["subprotocols"])

    async with clients.websocket(app, "/offered", subprotocols=["v1", "v2"]) as socket:
        assert await socket.receive_json() == ["v1", "v2"]


@pytest.mark.parametrize("run", ["first", "second"])
async def test_override_of_a_test_is_unknown_to_the_next(run: str, app: FastAPI) -> None:
    assert app.dependency_overrides == {}

    app.dependency_overrides[get_settings] = get_settings


@pytest.mark.parametrize("run", ["first", "second"])
def test_fresh_settings_of_a_test_are_unknown_to_the_next(
    run: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert get_settings().port == 8000

    request.getfixturevalue("fresh_settings")
    monkeypatch.setenv("PORT", "1")
    assert get_settings().port == 1


def test_synchronous_client_is_signed_in(client: TestClient, user: User) -> None:
    assert client.get("/auth/me").json()["id"] == user.id


async def test_synchronous_client_is_refused_in_an_async_test(
    request: pytest.FixtureRequest,
    app: FastAPI,
    signed_in: dict[str, str],
    loop: asyncio.AbstractEventLoop,
) -> None:
    with pytest.raises(pytest.fail.Exception, match="use `async_client`"):
        request.getfixturevalue("client")


def test_settings_come_from_the_tests_alone() -> None:
    assert Settings.model_config["env_file"] is None
    assert get_settings().database_url == os.environ["DATABASE_URL"]


def test_settings_of_the_shell_are_hidden_and_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "3")
    monkeypatch.setenv("log_level", "debug")
    with isolated_environment():
        assert not {"WORKERS", "log_level"} & os.environ.keys()

    assert os.environ["WORKERS"] == "3"
    assert os.environ["log_level"] == "debug"
