"""The limits of connections, frames and replays."""

import asyncio
import time
from http import HTTPStatus
from typing import ClassVar

from fastapi import status

from app.errors import CLOSE_LIMIT_EXCEEDED, ServiceError, UnavailableError

MIN_REPLAY_SECONDS = 0.1  # between two replays to one user, in addition to the time for the bytes
REPLAY_BYTES_PER_SECOND = 8 * 1024 * 1024  # to one user


class AdmissionError(ServiceError):
    """The hub does not admit a connection; streams get the status, sockets the close code."""


class TooManyConnectionsError(AdmissionError):
    status = HTTPStatus.TOO_MANY_REQUESTS
    close_code = CLOSE_LIMIT_EXCEEDED
    detail = "This user has too many open sockets and streams"


class TooManyFromAddressError(TooManyConnectionsError):
    detail = "This client address has too many open sockets and streams without a user"


class AtCapacityError(AdmissionError, UnavailableError):
    detail = "This process has reached its maximum number of sockets and streams"


class StoppingError(AdmissionError, UnavailableError):
    close_code: ClassVar = status.WS_1012_SERVICE_RESTART
    detail = "The service is shutting down"


class RateLimiter:
    """A token bucket (one token per frame) that holds the frames of one second."""

    def __init__(self, frames_per_second: int) -> None:
        self._rate = frames_per_second
        self._tokens = float(frames_per_second)
        self._refilled_at = time.monotonic()

    def allow(self) -> bool:
        """Take a token; return False if none is left."""
        now = time.monotonic()
        refill = (now - self._refilled_at) * self._rate
        self._refilled_at = now
        self._tokens = min(self._tokens + refill, self._rate)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class ReplayLimiter:
    """Spaces the replays to each user, because one small frame may cause megabytes of events."""

    def __init__(self) -> None:
        self.next_at: dict[int, float] = {}
        """Earliest time of the next replay by user id, on the monotonic clock."""

    async def wait(self, user_id: int, replay_bytes: int) -> None:
        """Wait until the user's earlier replays allow one of so many bytes."""
        now = time.monotonic()
        start = max(now, self.next_at.pop(user_id, now))
        duration = MIN_REPLAY_SECONDS + replay_bytes / REPLAY_BYTES_PER_SECOND
        self.next_at[user_id] = start + duration
        while self.next_at[oldest := next(iter(self.next_at))] <= now:
            del self.next_at[oldest]
        await asyncio.sleep(start - now)
