import time
from http import HTTPStatus

import httpx
import pytest
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import User
from app.auth.tokens import decode_access_token
from tests.clients import bearer
from tests.conftest import MakeToken, MakeUser

ADA = {"email": "ada@example.com", "password": "correct horse"}


async def login(client: httpx.AsyncClient, email: str, password: str) -> httpx.Response:
    return await client.post("/auth/token", data={"username": email, "password": password})


async def test_who_registers_can_log_in_and_is_known(anonymous_client: httpx.AsyncClient) -> None:
    registered = await anonymous_client.post("/auth/register", json=ADA)
    logged_in = await login(anonymous_client, **ADA)
    me = await anonymous_client.get("/auth/me", headers=bearer(logged_in.json()["access_token"]))

    assert registered.status_code == HTTPStatus.CREATED
    assert logged_in.status_code == HTTPStatus.OK
    assert logged_in.json() == {
        "access_token": logged_in.json()["access_token"],
        "token_type": "bearer",
        "expires_in": 900,
        "refresh_token": logged_in.json()["refresh_token"],
    }
    assert me.json() == registered.json()
    assert me.json() == {"id": me.json()["id"], "email": "ada@example.com", "role": "user"}


async def test_a_password_is_stored_as_a_hash(
    anonymous_client: httpx.AsyncClient, async_db: AsyncSession
) -> None:
    await anonymous_client.post("/auth/register", json=ADA)

    stored = await async_db.scalar(select(User.password_hash))

    assert stored
    assert stored.startswith("$argon2id$")


@pytest.mark.parametrize(
    "typed",
    [
        "Ada@Example.com",
        " ada@example.com",
        "Ada <ada@example.com>",
        "ada@EXAMPLE.com",
    ],
)
async def test_an_address_is_read_as_at_the_registration(
    typed: str, anonymous_client: httpx.AsyncClient, make_user: MakeUser
) -> None:
    await make_user("ada@example.com", password="correct horse")

    assert (await login(anonymous_client, typed, "correct horse")).status_code == HTTPStatus.OK


@pytest.mark.parametrize(
    "typed", ["ren\u00e9@b\u00fccher.example", "rene\u0301@xn--bcher-kva.example"]
)
async def test_an_address_may_be_written_in_several_ways(
    typed: str, anonymous_client: httpx.AsyncClient
) -> None:
    rene = {"email": "ren\u00e9@b\u00fccher.example", "password": "correct horse"}
    await anonymous_client.post("/auth/register", json=rene)

    assert (await login(anonymous_client, typed, "correct horse")).status_code == HTTPStatus.OK


async def test_a_hash_with_old_parameters_is_replaced_at_the_login(
    anonymous_client: httpx.AsyncClient, make_user: MakeUser, async_db: AsyncSession
) -> None:
    ada = await make_user("ada@example.com")
    cheap = Argon2Hasher(memory_cost=8, time_cost=1, parallelism=1)
    old = ada.password_hash = cheap.hash("correct horse")
    await async_db.commit()

    assert (await login(anonymous_client, "ada@example.com", "wrong")).status_code == 401
    assert ada.password_hash == old
    assert (await login(anonymous_client, "ada@example.com", "correct horse")).status_code == 200
    assert ada.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_the_case_of_an_address_does_not_matter(
    anonymous_client: httpx.AsyncClient, make_user: MakeUser
) -> None:
    ada = await make_user("ada@example.com", password="correct horse")

    again = await anonymous_client.post("/auth/register", json=ADA | {"email": "ADA@Example.com"})
    logged_in = await login(anonymous_client, "Ada@example.com", "correct horse")

    assert again.status_code == HTTPStatus.CONFLICT
    assert decode_access_token(logged_in.json()["access_token"]).user_id == ada.id


@pytest.mark.parametrize(
    "changes",
    [
        {"email": "no address"},
        {"email": None},
        {"password": "x" * 7},
        {"password": "x" * 129},
        {"role": "admin"},
    ],
)
async def test_an_invalid_registration_is_refused(
    changes: dict[str, str], anonymous_client: httpx.AsyncClient
) -> None:
    response = await anonymous_client.post("/auth/register", json=ADA | changes)

    assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


async def test_a_password_that_is_no_text_is_refused(anonymous_client: httpx.AsyncClient) -> None:
    response = await anonymous_client.post(
        "/auth/register",
        content=b'{"email": "ada@example.com", "password": "\\ud800aaaaaaaa"}',
        headers={"Content-Type": "application/json"},
    )

    assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


@pytest.mark.parametrize("field", ["username", "password"])
async def test_a_login_that_is_no_text_is_refused(
    field: str, anonymous_client: httpx.AsyncClient
) -> None:
    form = {"username": "ada@example.com", "password": "correct horse", field: r"\ud800"}
    parts = [
        f'--B\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}' for k, v in form.items()
    ]

    response = await anonymous_client.post(
        "/auth/token",
        content="\r\n".join([*parts, "--B--\r\n"]),
        headers={"Content-Type": "multipart/form-data; boundary=B; charset=unicode_escape"},
    )

    assert response.status_code == HTTPStatus.UNAUTHORIZED


async def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(
    anonymous_client: httpx.AsyncClient, make_user: MakeUser
) -> None:
    await make_user("ada@example.com", password="correct horse")

    wrong = await login(anonymous_client, "ada@example.com", "battery staple")
    unknown = await login(anonymous_client, "eve@example.com", "battery staple")

    assert wrong.status_code == HTTPStatus.UNAUTHORIZED
    assert wrong.headers["www-authenticate"] == "Bearer"
    assert (wrong.status_code, wrong.json()) == (unknown.status_code, unknown.json())


async def test_an_unknown_user_takes_as_long_to_refuse_as_a_wrong_password(
    anonymous_client: httpx.AsyncClient, make_user: MakeUser
) -> None:
    await make_user("ada@example.com", password="correct horse")

    async def seconds(email: str) -> float:
        start = time.perf_counter()
        await login(anonymous_client, email, "battery staple")
        return time.perf_counter() - start

    pairs = [(await seconds("eve@example.com"), await seconds("ada@example.com")) for _ in range(3)]
    unknown, wrong = (min(times) for times in zip(*pairs, strict=True))

    assert unknown > wrong / 2  # without a hash to compute it would be a fifth


async def test_the_token_carries_the_role(
    anonymous_client: httpx.AsyncClient, make_user: MakeUser
) -> None:
    await make_user("root@example.com", password="correct horse", role="admin")

    logged_in = await login(anonymous_client, "root@example.com", "correct horse")

    assert decode_access_token(logged_in.json()["access_token"]).role == "admin"


async def test_nobody_is_asked_for_a_token(anonymous_client: httpx.AsyncClient) -> None:
    response = await anonymous_client.get("/auth/me")

    assert response.status_code == HTTPStatus.UNAUTHORIZED
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_bad_token_is_called_invalid(anonymous_client: httpx.AsyncClient) -> None:
    response = await anonymous_client.get("/auth/me", headers=bearer("garbage"))

    assert response.status_code == HTTPStatus.UNAUTHORIZED
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_the_token_of_a_user_who_is_gone_is_invalid(
    anonymous_client: httpx.AsyncClient,
    async_db: AsyncSession,
    user: User,
    make_token: MakeToken,
) -> None:
    token = make_token(user)
    await async_db.delete(user)
    await async_db.commit()

    response = await anonymous_client.get("/auth/me", headers=bearer(token))
    await anonymous_client.post("/auth/register", json=ADA)
    later = await anonymous_client.get("/auth/me", headers=bearer(token))

    assert response.status_code == HTTPStatus.UNAUTHORIZED
    assert later.status_code == HTTPStatus.UNAUTHORIZED
