import asyncio
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import AnyStr, Generic

from fastapi.sse import KEEPALIVE_COMMENT

from app.auth.tokens import AccessToken
from app.realtime import metrics
from app.realtime.broker import Message
from app.realtime.frames import Event
from app.realtime.limits import TOKEN_EXPIRED, TOO_SLOW, Allowance
from app.settings import Settings

WARNING_SECONDS = 60  # how long before its end a token is said to expire
PING_SECONDS = 15  # of silence on a stream; proxies often cut what is silent for 30


class Subscription(ABC, Generic[AnyStr]):
    """One client's place in the hub: what waits to be sent to it, within limits.

    Whoever iterates over it is the client's only writer. That ends after `close`, once what
    was waiting before is out.
    """

    allowance: Allowance  # the user's; the hub gives it
    joined: int  # the number of the last event before those that were put here

    def __init__(self, token: AccessToken, settings: Settings) -> None:
        self.settings = settings
        self.close_code: int | None = None
        self.cut: Callable[[], object] = lambda: None  # ends the writer in the middle of sending
        # Lists, not deques: these are short, and empty ones take a tenth of the memory.
        self._missed: list[Message] = []  # the next one is the last
        self._frames: list[AnyStr] = []
        self._bytes = 0
        self._writer: asyncio.Future[None] | None = None  # waits for a frame
        self._asker: asyncio.Future[None] | None = None  # waits for room
        self._sending = False
        self._moved_at = time.monotonic()
        self.renew(token)

    @abstractmethod
    def encode(self, event: Event) -> AnyStr: ...

    def renew(self, token: AccessToken) -> None:
        self.token = token
        remaining = (token.expires_at - datetime.now(UTC)).total_seconds()
        self._expires_at = time.monotonic() + remaining
        self._warn_at = self._expires_at - min(WARNING_SECONDS, remaining / 2)

    def offer(self, event: Event) -> None:
        """Queue an event. A client that leaves no room for it is too slow, and is closed."""
        if self.close_code is None:
            frame = self.encode(event)
            if self._frames and self._is_full_for(frame):
                self.drop(TOO_SLOW)
                metrics.DROPPED.inc()
            else:
                self._append(frame)

    @property
    def waiting(self) -> int:
        """Tell how many frames have not been taken."""
        return len(self._missed) + len(self._frames)

    def replay(self, missed: Sequence[Message]) -> None:
        """Send these before what is waiting. They take no room: the history holds them."""
        if self.close_code is None:
            self._missed = [*reversed(missed)]
            self._wake_writer()

    async def answer(self, frame: AnyStr) -> None:
        """Queue an answer. A client that asks without reading waits here, and is not read."""
        await self.room()
        self._append(frame)

    async def room(self) -> None:
        while self._missed or len(self._frames) >= self.settings.ws_queue_messages:
            self._asker = asyncio.get_running_loop().create_future()
            await self._asker

    def close(self, code: int) -> None:
        """End it once the frames before are out; the first reason counts."""
        if self.close_code is None:
            self.close_code = code
            self._wake_writer()

    def drop(self, code: int) -> None:
        """End it without what is waiting."""
        metrics.DROPPED.inc(self.waiting)
        self._missed.clear()
        self._frames.clear()
        self._bytes = 0
        self.close(code)

    def tick(self, now: float) -> None:
        """Do what is due at this time of the monotonic clock."""
        silence = now - self._moved_at
        if now >= self._warn_at:
            self._warn_at = math.inf
            self.warn()
        if now >= self._expires_at:
            self.close(TOKEN_EXPIRED)
        if self._sending and silence >= self.settings.ws_send_seconds:
            self.cut()
        elif not self._sending and silence >= PING_SECONDS:
            self.ping()

    def warn(self) -> None:
        """Tell the client that its token expires, where its protocol has a word for that."""

    def ping(self) -> None:
        """Break the silence, where the server does not."""

    def __aiter__(self) -> "Subscription[AnyStr]":
        return self

    async def __anext__(self) -> AnyStr:
        self._sending = False
        while not (self._missed or self._frames) and self.close_code is None:
            self._writer = asyncio.get_running_loop().create_future()
            await self._writer
        self._sending = True  # and when this was the last frame, the end of the connection
        self._moved_at = time.monotonic()
        if self._asker and not self._asker.done():
            self._asker.set_result(None)
        if self._missed:
            return self.encode(Event(self._missed.pop()))
        if self._frames:
            frame = self._frames.pop(0)
            self._bytes -= len(frame)
            return frame
        raise StopAsyncIteration

    def _append(self, frame: AnyStr) -> None:
        if self.close_code is None:
            self._frames.append(frame)
            self._bytes += len(frame)
            self._wake_writer()

    def _wake_writer(self) -> None:
        if self._writer and not self._writer.done():
            self._writer.set_result(None)

    def _is_full_for(self, frame: AnyStr) -> bool:
        return (
            len(self._frames) >= self.settings.ws_queue_messages
            or self._bytes + len(frame) > self.settings.ws_queue_bytes
        )


class SocketSubscription(Subscription[str]):
    def encode(self, event: Event) -> str:
        return event.text

    def warn(self) -> None:
        expires_at = self.token.expires_at.isoformat()
        self._append(json.dumps({"type": "token_expiring", "expires_at": expires_at}))


class StreamSubscription(Subscription[bytes]):
    def encode(self, event: Event) -> bytes:
        return event.sse

    def ping(self) -> None:
        self._append(KEEPALIVE_COMMENT)
