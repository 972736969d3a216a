import asyncio
from collections.abc import Callable, Coroutine

import pytest

from app.auth.passwords import hash_password, verify_password


async def test_a_password_fits_its_own_hash_only() -> None:
    stored = await hash_password("correct horse")

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await verify_password("correct horse", stored)
    assert not await verify_password("battery staple", stored)


async def test_nothing_fits_the_user_who_does_not_exist() -> None:
    assert not await verify_password("", None)
    assert not await verify_password("correct horse", None)


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda: hash_password("correct horse"), id="hash"),
        pytest.param(lambda: verify_password("correct horse", None), id="verify"),
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
