import time

from app.realtime.limits import RateLimiter


def test_frames_of_one_second_are_allowed_at_once() -> None:
    limiter = RateLimiter(3)

    assert [limiter.allow() for _ in range(5)] == [True, True, True, False, False]


def test_rate_limiter_allows_more_frames_after_a_while() -> None:
    limiter = RateLimiter(1000)
    while limiter.allow():
        pass

    deadline = time.monotonic() + 5
    attempts = iter(lambda: time.monotonic() > deadline, True)
    assert any(limiter.allow() for _ in attempts)
