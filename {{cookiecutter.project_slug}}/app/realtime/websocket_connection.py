import asyncio
import logging
from collections.abc import Awaitable

from anyio import CancelScope
from fastapi import WebSocket, WebSocketDisconnect, WebSocketException, status
from pydantic import BaseModel
from starlette.websockets import WebSocketState

from app.auth.tokens import InvalidTokenError
from app.errors import CLOSE_LIMIT_EXCEEDED
from app.realtime.events import Event
from app.realtime.hub import Hub
from app.realtime.subscription import Subscription
from app.realtime.websocket_frames import (
    Authenticated,
    BadFrameError,
    ClientFrame,
    Ping,
    Pong,
    Reset,
    Resume,
    TokenExpiring,
    parse,
)
from app.realtime.websocket_handshake import verify_token

logger = logging.getLogger(__name__)

MAX_BAD_FRAMES = 10  # in a row


class SocketSubscription(Subscription[str]):
    def encode(self, event: Event) -> str:
        return event.json

    def warn_of_expiry(self) -> None:
        self.append(TokenExpiring(expires_at=self.token.expires_at.isoformat()).model_dump_json())


class Connection:
    """An open `/ws/notifications` socket: the route's task reads, and the writer task sends.

    The writer is a separate task, because resuming the reader passes through every middleware.
    """

    def __init__(self, websocket: WebSocket, hub: Hub, subscription: SocketSubscription) -> None:
        self._websocket = websocket
        self._hub = hub
        self._subscription = subscription

    async def serve(self) -> None:
        """Return when the client has left or the socket is closed."""
        writer = asyncio.create_task(self._write())
        self._subscription.abort = writer.cancel
        try:
            with CancelScope() as reading:
                writer.add_done_callback(lambda _: reading.cancel())
                await self._close_on_error(self._read())
                await asyncio.wait([writer])
        finally:
            writer.cancel()
            await asyncio.wait([writer])

    async def _close_on_error(self, operation: Awaitable[None]) -> None:
        try:
            await operation
        except (WebSocketDisconnect, WebSocketException) as error:
            self._subscription.close(error.code, discard_queue=True)
        except Exception:
            logger.exception("Notification socket failed")
            self._subscription.close(status.WS_1011_INTERNAL_ERROR, discard_queue=True)

    async def _write(self) -> None:
        await self._close_on_error(self._send_queue())
        await self._close_on_error(self._close())

    async def _send_queue(self) -> None:
        async for frame in self._subscription:
            await self._websocket.send_text(frame)

    async def _close(self) -> None:
        states = {self._websocket.client_state, self._websocket.application_state}
        if states == {WebSocketState.CONNECTED}:
            await self._websocket.close(self._subscription.close_code or 1000)

    async def _read(self) -> None:
        bad_frames = 0
        while bad_frames < MAX_BAD_FRAMES:
            try:
                await self._handle(parse(await self._receive_text()))
                bad_frames = 0
            except BadFrameError as error:
                await self._respond(error.frame())
                bad_frames += 1
        self._subscription.close(status.WS_1008_POLICY_VIOLATION)

    async def _receive_text(self) -> str:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        if not self._subscription.rate_limiter.allow():
            raise WebSocketException(CLOSE_LIMIT_EXCEEDED)
        text: str | None = message.get("text")
        if text is None:
            raise BadFrameError("not_text", "Frames must be text, not binary")
        return text

    async def _handle(self, frame: ClientFrame) -> None:
        match frame:
            case Ping():
                await self._respond(Pong())
            case Resume():
                await self._subscription.wait_for_room()
                if not await self._hub.resume(self._subscription, frame.after):
                    await self._respond(Reset())
            case _:
                await self._renew(frame.token)

    async def _renew(self, encoded: str) -> None:
        """Switch to a new token, unless the current one expires later."""
        revocations_seen = self._hub.revocations_seen
        try:
            token = await verify_token(self._websocket, encoded)
        except InvalidTokenError as error:
            raise BadFrameError("invalid_token", error.detail) from None
        current = self._subscription.token
        if token.user_id != current.user_id:
            raise BadFrameError("invalid_token", "The token belongs to another user")
        latest = max(token, current, key=lambda token: token.expires_at)
        self._subscription.renew(latest)
        self._hub.close_if_revoked(self._subscription, since=revocations_seen)
        await self._respond(Authenticated(expires_at=latest.expires_at.isoformat()))

    async def _respond(self, frame: BaseModel) -> None:
        await self._subscription.respond(frame.model_dump_json())
