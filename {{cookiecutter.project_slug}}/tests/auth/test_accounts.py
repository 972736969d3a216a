from http import HTTPStatus
from typing import Any

import httpx
import pytest

from app.auth.models import User
from app.auth.tokens import create_access_token
from tests.clients import bearer
from tests.conftest import MakeToken, MakeUser

PASSWORD = "correct horse"


@pytest.fixture
async def as_admin(make_user: MakeUser, make_token: MakeToken) -> dict[str, str]:
    return bearer(make_token(await make_user("root@example.com", role="admin")))


async def login(client: httpx.AsyncClient, user: User) -> httpx.Response:
    form = {"username": user.email, "password": PASSWORD}
    return await client.post("/auth/token", data=form)


@pytest.mark.parametrize("change", [{"active": False}, {"role": "admin"}, {"role": "user"}])
async def test_a_change_by_an_admin_ends_all_access(
    change: dict[str, Any],
    anonymous_client: httpx.AsyncClient,
    as_admin: dict[str, str],
    make_user: MakeUser,
) -> None:
    ada = await make_user("ada@example.com", password=PASSWORD)
    tokens = (await login(anonymous_client, ada)).json()
    sessionless = create_access_token(ada.id, ada.role)

    changed = await anonymous_client.patch(f"/users/{ada.id}", json=change, headers=as_admin)

    expected = {"id": ada.id, "email": "ada@example.com", "role": "user", "active": True} | change
    assert changed.json() == expected
    for token in (tokens["access_token"], sessionless):
        me = await anonymous_client.get("/auth/me", headers=bearer(token))
        assert me.status_code == HTTPStatus.UNAUTHORIZED
    refreshed = await anonymous_client.post(
        "/auth/refresh", json={"refresh_token": tokens["refresh_token"]}
    )
    assert refreshed.status_code == HTTPStatus.UNAUTHORIZED


async def test_who_is_shut_out_cannot_log_in_until_let_in_again(
    anonymous_client: httpx.AsyncClient, as_admin: dict[str, str], make_user: MakeUser
) -> None:
    ada = await make_user("ada@example.com", password=PASSWORD)
    path = f"/users/{ada.id}"

    await anonymous_client.patch(path, json={"active": False}, headers=as_admin)
    shut_out = await login(anonymous_client, ada)
    await anonymous_client.patch(path, json={"active": True}, headers=as_admin)
    let_in = await login(anonymous_client, ada)

    assert shut_out.status_code == HTTPStatus.UNAUTHORIZED
    assert let_in.status_code == HTTPStatus.OK


async def test_only_an_admin_may(
    anonymous_client: httpx.AsyncClient, user: User, auth_headers: dict[str, str]
) -> None:
    path, change = f"/users/{user.id}", {"role": "admin"}

    nobody = await anonymous_client.patch(path, json=change)
    somebody = await anonymous_client.patch(path, json=change, headers=auth_headers)

    assert nobody.status_code == HTTPStatus.UNAUTHORIZED
    assert somebody.status_code == HTTPStatus.FORBIDDEN


async def test_an_unknown_user_is_not_found(
    anonymous_client: httpx.AsyncClient, as_admin: dict[str, str]
) -> None:
    response = await anonymous_client.patch("/users/404", json={}, headers=as_admin)

    assert response.status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize(
    "change", [{"role": "emperor"}, {"active": None}, {"email": "x@y.example"}]
)
async def test_an_invalid_change_is_refused(
    change: dict[str, Any],
    anonymous_client: httpx.AsyncClient,
    as_admin: dict[str, str],
    user: User,
) -> None:
    response = await anonymous_client.patch(f"/users/{user.id}", json=change, headers=as_admin)

    assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
