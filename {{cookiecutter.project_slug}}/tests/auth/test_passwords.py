import asyncio
from collections.abc import Callable, Coroutine

import pytest
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import SecretStr

from app.auth.passwords import hash_password, verify_password

PASSWORD = SecretStr("correct horse")


async def test_a_password_fits_its_own_hash_only() -> None:
    stored = await hash_password(PASSWORD)

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await verify_password(PASSWORD, stored) == stored
    assert not await verify_password(SecretStr("battery staple"), stored)


async def test_a_hash_with_other_parameters_is_made_anew() -> None:
    old = Argon2Hasher(memory_cost=8, time_cost=1, parallelism=1).hash("correct horse")

    kept = await verify_password(PASSWORD, old)

    assert kept
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await verify_password(PASSWORD, kept) == kept
    assert not await verify_password(SecretStr("battery staple"), old)


async def test_nothing_fits_the_user_who_does_not_exist() -> None:
    assert not await verify_password(SecretStr(""), None)
    assert not await verify_password(PASSWORD, None)


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda: hash_password(PASSWORD), id="hash"),
        pytest.param(lambda: verify_password(PASSWORD, None), id="verify"),
    ],
)
async def test_the_event_loop_goes_on_while_a_password_is_worked_on(
    work: Callable[[], Coroutine[None, None, object]],
) -> None:
    working = asyncio.create_task(work())
    turns = 0
    while not working.done():
        turns += 1
        await asyncio.sleep(0)

    assert turns > 10
