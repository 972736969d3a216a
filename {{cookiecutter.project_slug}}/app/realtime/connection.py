import asyncio
import json
import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import NoReturn

import anyio
from fastapi import WebSocket, WebSocketDisconnect, status

from app.auth.tokens import AccessToken, InvalidTokenError
from app.realtime.frames import BadFrameError, ClientFrame, Ping, Resume, parse
from app.realtime.handshake import verify
from app.realtime.hub import Subscription

logger = logging.getLogger(__name__)

TOKEN_EXPIRED = 4401
TOO_SLOW = 4408
BAD_FRAMES = 10  # in a row: no slip any more, but a broken or hostile client
CLOSE_SECONDS = 5  # for a client that does not read to take the closing frame
WARNING_SECONDS = 60  # how long before its end a token is said to expire


class SocketEnded(Exception):
    """Not an error: it ends the tasks of a socket."""


class Connection:
    """One notification socket: four tasks, until the first of them ends it."""

    def __init__(
        self, websocket: WebSocket, subscription: Subscription, token: AccessToken
    ) -> None:
        self._websocket = websocket
        self._subscription = subscription
        self._token = token
        self._close_code: int | None = None

    async def serve(self) -> None:
        """Return when the client has left or the socket is to be closed."""
        try:
            async with anyio.create_task_group() as tasks:
                for part in (self._read, self._write, self._watch_queue, self._watch_token):
                    tasks.start_soon(part)
        except* (SocketEnded, WebSocketDisconnect):
            pass
        except* Exception:
            logger.exception("A notification socket failed")
            self._close_code = status.WS_1011_INTERNAL_ERROR

    async def close(self) -> None:
        if self._close_code:
            with suppress(WebSocketDisconnect, TimeoutError):  # the client was faster, or is stuck
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._websocket.close(self._close_code)

    def _end(self, code: int) -> NoReturn:
        self._close_code = code
        raise SocketEnded

    async def _read(self) -> None:
        bad_frames = 0
        while True:
            try:
                await self._answer(parse(await self._receive_text()))
                bad_frames = 0
            except BadFrameError as error:
                self._send(error.answer())
                bad_frames += 1
                if bad_frames == BAD_FRAMES:
                    self._subscription.put(status.WS_1008_POLICY_VIOLATION)
                    return  # what comes behind is not read

    async def _receive_text(self) -> str:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        text: str | None = message.get("text")
        if text is None:
            raise BadFrameError("not_text", "Frames are JSON text")
        return text

    async def _answer(self, frame: ClientFrame) -> None:
        match frame:
            case Ping():
                self._send({"type": "pong"})
            case Resume():
                self._send({"type": "reset"})  # this hub keeps no history
            case _:
                await self._renew(frame.token)

    async def _renew(self, encoded: str) -> None:
        try:
            token = await verify(self._websocket, encoded)
        except InvalidTokenError as error:
            raise BadFrameError("invalid_token", error.detail) from None
        if token.user_id != self._token.user_id:
            raise BadFrameError("invalid_token", "The token is another user's")
        self._token = max(token, self._token, key=lambda token: token.expires_at)
        self._send({"type": "authenticated", "expires_at": self._expires_at})

    async def _write(self) -> None:
        while True:
            frame = await self._subscription.frames.get()
            if isinstance(frame, int):
                self._end(frame)
            await self._websocket.send_text(frame)

    async def _watch_queue(self) -> None:
        await self._subscription.overflowed.wait()
        self._end(TOO_SLOW)

    async def _watch_token(self) -> None:
        token = None
        while token is not self._token:  # renewed meanwhile, or not yet watched
            token = self._token
            remaining = (token.expires_at - datetime.now(UTC)).total_seconds()
            warning = min(WARNING_SECONDS, remaining / 2)
            await asyncio.sleep(remaining - warning)
            if token is self._token:
                self._send({"type": "token_expiring", "expires_at": self._expires_at})
                await asyncio.sleep(warning)
        self._end(TOKEN_EXPIRED)

    @property
    def _expires_at(self) -> str:
        return self._token.expires_at.isoformat()

    def _send(self, frame: dict[str, object]) -> None:
        self._subscription.put(json.dumps(frame))
