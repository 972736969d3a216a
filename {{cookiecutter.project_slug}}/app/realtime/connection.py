import asyncio
import json
import logging
from collections.abc import Awaitable

from anyio import CancelScope
from fastapi import WebSocket, WebSocketDisconnect, status
from starlette.websockets import WebSocketState

from app.auth.tokens import InvalidTokenError
from app.realtime.frames import BadFrameError, ClientFrame, Ping, Resume, parse
from app.realtime.handshake import verify
from app.realtime.hub import Hub
from app.realtime.limits import TOO_MANY
from app.realtime.subscription import SocketSubscription

logger = logging.getLogger(__name__)

BAD_FRAMES = 10  # in a row: such a client is broken or hostile


class Connection:
    """One notification socket: one task reads, and one writes.

    The writer is the new one: the routing above is deep, and each time that a task goes on it
    passes through all of that.
    """

    def __init__(self, websocket: WebSocket, hub: Hub, subscription: SocketSubscription) -> None:
        self._websocket = websocket
        self._hub = hub
        self._subscription = subscription

    async def serve(self) -> None:
        """Return when the client has left or the socket is closed."""
        writer = asyncio.create_task(self._write())
        self._subscription.cut = writer.cancel
        try:
            with CancelScope() as reading:
                writer.add_done_callback(lambda _: reading.cancel())
                await self._until_the_end(self._read())
                await asyncio.wait([writer])
        finally:
            writer.cancel()
            await asyncio.wait([writer])

    async def _until_the_end(self, part: Awaitable[None]) -> None:
        try:
            await part
        except WebSocketDisconnect as end:
            self._subscription.drop(end.code)
        except Exception:
            logger.exception("A notification socket failed")
            self._subscription.drop(status.WS_1011_INTERNAL_ERROR)

    async def _write(self) -> None:
        await self._until_the_end(self._send_all())
        await self._until_the_end(self._close())

    async def _send_all(self) -> None:
        async for frame in self._subscription:
            await self._websocket.send_text(frame)

    async def _close(self) -> None:
        states = {self._websocket.client_state, self._websocket.application_state}
        if states == {WebSocketState.CONNECTED}:
            await self._websocket.close(self._subscription.close_code or 1000)

    async def _read(self) -> None:
        bad_frames = 0
        while bad_frames < BAD_FRAMES:
            try:
                await self._answer(parse(await self._receive_text()))
                bad_frames = 0
            except BadFrameError as error:
                await self._send(error.answer())
                bad_frames += 1
        self._subscription.close(status.WS_1008_POLICY_VIOLATION)

    async def _receive_text(self) -> str:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        if not self._subscription.allowance.take():
            raise WebSocketDisconnect(TOO_MANY)
        text: str | None = message.get("text")
        if text is None:
            raise BadFrameError("not_text", "Frames are JSON text")
        return text

    async def _answer(self, frame: ClientFrame) -> None:
        match frame:
            case Ping():
                await self._send({"type": "pong"})
            case Resume():
                await self._subscription.room()
                if not self._hub.resume(self._subscription, frame.after):
                    await self._send({"type": "reset"})
            case _:
                await self._renew(frame.token)

    async def _renew(self, encoded: str) -> None:
        before = self._hub.ended
        try:
            token = await verify(self._websocket, encoded)
        except InvalidTokenError as error:
            raise BadFrameError("invalid_token", error.detail) from None
        current = self._subscription.token
        if token.user_id != current.user_id:
            raise BadFrameError("invalid_token", "The token is another user's")
        latest = max(token, current, key=lambda token: token.expires_at)
        self._subscription.renew(latest)
        self._hub.end_if_revoked(self._subscription, since=before)
        await self._send({"type": "authenticated", "expires_at": latest.expires_at.isoformat()})

    async def _send(self, frame: dict[str, object]) -> None:
        await self._subscription.answer(json.dumps(frame))
