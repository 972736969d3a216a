"""A clock that a test moves forward instead of waiting."""

import asyncio
import time
from collections.abc import Iterator

import pytest
import time_machine


class Clock:
    """The time of this process: it runs on, and `advance` lets it jump."""

    def __init__(self, wall: time_machine.Traveller, loop: asyncio.AbstractEventLoop) -> None:
        self._wall = wall
        self._loop = loop
        self._real_monotonic = time.monotonic
        self._advanced_seconds = 0.0

    def monotonic(self) -> float:
        return self._real_monotonic() + self._advanced_seconds

    def advance(self, seconds: float) -> None:
        """Let time pass at once; timers and timeouts that are due run next."""
        self._wall.shift(seconds)
        self._advanced_seconds += seconds
        self._loop.call_soon_threadsafe(lambda: None)  # a waiting loop checks its timers again


@pytest.fixture
def clock(loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """A clock that `clock.advance(seconds)` moves forward, for expiry, heartbeats and limits."""
    with time_machine.travel(time.time()) as wall:
        clock = Clock(wall, loop)
        monkeypatch.setattr(time, "monotonic", clock.monotonic)  # asyncio's timers use it, too
        yield clock
