import time
from http import HTTPStatus
from typing import ClassVar

from fastapi import status

from app.errors import ServiceError, UnavailableError

TOKEN_EXPIRED = 4401
TOO_SLOW = 4408
TOO_MANY = 4429


class RefusedError(ServiceError):
    """The hub takes no more: an HTTP status for streams, a close code for sockets."""

    close_code: ClassVar[int]


class TooManySocketsError(RefusedError):
    status = HTTPStatus.TOO_MANY_REQUESTS
    close_code = TOO_MANY
    detail = "This user has too many open sockets and streams"


class AtCapacityError(RefusedError, UnavailableError):
    close_code = status.WS_1013_TRY_AGAIN_LATER
    detail = "This process has as many open sockets and streams as it may"


class StoppingError(RefusedError, UnavailableError):
    close_code = status.WS_1012_SERVICE_RESTART
    detail = "The service is about to stop"


class Allowance:
    """How many frames a user may send: as many at once as in a second."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._left = float(per_second)
        self._counted_at = time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        earned = (now - self._counted_at) * self._per_second
        self._counted_at = now
        self._left = min(self._left + earned, self._per_second)
        if self._left < 1:
            return False
        self._left -= 1
        return True
