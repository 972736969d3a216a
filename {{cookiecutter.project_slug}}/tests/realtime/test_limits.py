import time
from types import SimpleNamespace

import pytest

from app.realtime import limits
from app.realtime.limits import (
    MIN_REPLAY_SECONDS,
    REPLAY_BYTES_PER_SECOND,
    RateLimiter,
    ReplayLimiter,
)
from tests.waiting import WAIT_SECONDS


@pytest.mark.parametrize("idle_seconds", [0, 3600])
def test_frames_of_one_second_are_allowed_at_once(
    idle_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = RateLimiter(3)
    now = time.monotonic() + idle_seconds
    monkeypatch.setattr("app.realtime.limits.time", SimpleNamespace(monotonic=lambda: now))

    assert [limiter.allow() for _ in range(5)] == [True, True, True, False, False]


def test_rate_limiter_allows_more_frames_after_a_while() -> None:
    limiter = RateLimiter(1000)
    while limiter.allow():
        pass

    deadline = time.monotonic() + WAIT_SECONDS
    attempts = iter(lambda: time.monotonic() > deadline, True)
    assert any(limiter.allow() for _ in attempts)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that replays wait, while the clock stands still."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: 0.0))
    monkeypatch.setattr(limits, "asyncio", SimpleNamespace(sleep=sleep))
    return waits


async def test_replay_waits_for_the_time_and_the_bytes_of_earlier_ones(
    waits: list[float],
) -> None:
    limiter = ReplayLimiter()
    for replay_bytes in (REPLAY_BYTES_PER_SECOND, 0, 0):
        await limiter.wait(1, replay_bytes)
    await limiter.wait(2, 0)

    first = MIN_REPLAY_SECONDS + 1
    assert waits == pytest.approx([0, first, first + MIN_REPLAY_SECONDS, 0])


async def test_replay_limiter_keeps_only_users_who_would_have_to_wait(
    waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = ReplayLimiter()
    await limiter.wait(1, 0)
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: MIN_REPLAY_SECONDS))
    await limiter.wait(2, 0)

    assert limiter.next_at.keys() == {2}
    await limiter.wait(1, 0)
    assert waits == [0, 0, 0]
