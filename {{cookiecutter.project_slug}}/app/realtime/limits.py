"""Application-specific close codes, and the limits of connections and of frames."""

import time
from http import HTTPStatus
from typing import ClassVar

from fastapi import status

from app.errors import ServiceError, UnavailableError

# RFC 6455, 7.4.2: 4000 to 4999 are for private use.
CLOSE_TOKEN_EXPIRED = 4401
CLOSE_TOO_SLOW = 4408
CLOSE_LIMIT_EXCEEDED = 4429


class AdmissionError(ServiceError):
    """The hub does not admit a connection; streams get the status, sockets the close code."""


class TooManyConnectionsError(AdmissionError):
    status = HTTPStatus.TOO_MANY_REQUESTS
    close_code = CLOSE_LIMIT_EXCEEDED
    detail = "This user has too many open sockets and streams"


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
