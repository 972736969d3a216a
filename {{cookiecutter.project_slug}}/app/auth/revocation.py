"""Callbacks for revoked access: the real-time hub closes the user's sockets."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

RevocationCallback = Callable[[int, str | None], Awaitable[None]]
"""Takes the user id and the id of the ended login session; None if all of them ended."""


class AccessRevocations:
    """Notifies its subscribers when access is revoked."""

    def __init__(self) -> None:
        self._callbacks: list[RevocationCallback] = []

    def subscribe(self, callback: RevocationCallback) -> Callable[[], None]:
        """Call `callback` after each revocation; return a function that unsubscribes it."""
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    async def publish(self, user_id: int, session_id: str | None = None) -> None:
        for callback in tuple(self._callbacks):
            await callback(user_id, session_id)


async def get_access_revocations(connection: HTTPConnection) -> AccessRevocations:
    revocations: AccessRevocations = connection.app.state.access_revocations
    return revocations


CurrentRevocations = Annotated[AccessRevocations, Depends(get_access_revocations)]
