"""The clock moves everything in this process that depends on time."""

import asyncio
import threading
import time
from datetime import UTC, datetime

import httpx
import pytest
from fastapi.testclient import TestClient

from app.auth.models import User
from tests.clients import bearer
from tests.clock import Clock
from tests.conftest import MakeToken

HOUR = 3600


async def test_clock_advances_every_time_of_this_process(clock: Clock) -> None:
    def now() -> list[float]:
        loop = asyncio.get_running_loop()
        return [time.time(), datetime.now(UTC).timestamp(), time.monotonic(), loop.time()]

    before = now()
    clock.advance(HOUR)
    passed = [new - old for new, old in zip(now(), before, strict=True)]

    assert all(HOUR <= seconds < 2 * HOUR for seconds in passed)


async def test_timers_and_timeouts_that_are_due_end_at_once(clock: Clock) -> None:
    sleeping = asyncio.create_task(asyncio.sleep(HOUR))
    waiting = asyncio.create_task(asyncio.wait_for(asyncio.Event().wait(), HOUR))
    await asyncio.sleep(0)

    clock.advance(HOUR)

    await sleeping
    with pytest.raises(TimeoutError):
        await waiting


async def test_clock_runs_on(clock: Clock) -> None:
    clock.advance(HOUR)
    before = time.time(), time.monotonic()

    await asyncio.sleep(0.01)

    assert time.time() > before[0]
    assert time.monotonic() > before[1]


async def test_token_expires_and_a_new_one_is_accepted(
    clock: Clock, anonymous_client: httpx.AsyncClient, user: User, make_token: MakeToken
) -> None:
    token = make_token(user)
    before = await anonymous_client.get("/auth/me", headers=bearer(token))
    clock.advance(HOUR)
    after = await anonymous_client.get("/auth/me", headers=bearer(token))
    new = await anonymous_client.get("/auth/me", headers=bearer(make_token(user)))

    assert [response.status_code for response in (before, after, new)] == [200, 401, 200]


def test_clock_wakes_the_event_loop_of_a_synchronous_test(clock: Clock, client: TestClient) -> None:
    due = threading.Event()

    async def set_timer() -> None:
        asyncio.get_running_loop().call_later(HOUR, due.set)

    assert client.portal
    client.portal.call(set_timer)
    clock.advance(HOUR)

    assert due.wait(5)
