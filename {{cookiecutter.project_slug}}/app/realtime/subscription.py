import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import AnyStr, Generic

from app.auth.tokens import AccessToken
from app.errors import CLOSE_TOKEN_EXPIRED, CLOSE_TOO_SLOW
from app.realtime import metrics
from app.realtime.brokers.base import Message
from app.realtime.events import Event
from app.realtime.limits import RateLimiter
from app.settings import Settings

EXPIRY_WARNING_SECONDS = 60  # before the token expires
KEEPALIVE_SECONDS = 15  # many proxies close streams that are idle for 30 s


class Subscription(ABC, Generic[AnyStr]):
    """The bounded send queue of one client, its token and its deadlines.

    The writer task of the connection is the only consumer: it iterates over the frames. The
    iteration ends after `close`, once the queue is empty.
    """

    rate_limiter: RateLimiter
    """Shared by all connections of the user; set by `Connections`."""
    subscribed_at: int
    """Number of the last event before this subscription; set by the hub."""

    def __init__(self, token: AccessToken, settings: Settings) -> None:
        self.settings = settings
        self.close_code: int | None = None
        self.abort: Callable[[], object] = lambda: None
        """Cancels the writer while it is sending; set by the connection."""
        # Lists because the queues are short, and an empty deque takes 600 bytes.
        self._missed: list[Message] = []  # in reverse order
        self._frames: list[AnyStr] = []
        self._bytes = 0
        # One future is enough, because the reader and the writer never wait at the same time: the
        # one waits while the queue is full, the other while it is empty. An asyncio.Event would
        # add 1 KiB to the 40 KiB of a socket.
        self._waiter: asyncio.Future[None] | None = None
        self._sending = False
        self._last_sent_at = time.monotonic()
        self.renew(token)

    @abstractmethod
    def encode(self, event: Event) -> AnyStr: ...

    def renew(self, token: AccessToken) -> None:
        """Use a token from now on; it determines when the connection is closed."""
        self.token = token
        remaining = (token.expires_at - datetime.now(UTC)).total_seconds()
        self._expires_at = time.monotonic() + remaining
        self._warn_at = self._expires_at - min(EXPIRY_WARNING_SECONDS, remaining / 2)

    @property
    def queued(self) -> int:
        """The number of frames that the writer has not taken yet."""
        return len(self._missed) + len(self._frames)

    def enqueue(self, event: Event) -> None:
        """Queue an event; close the connection with 4408 if the queue is full."""
        if self.close_code is None:
            frame = self.encode(event)
            if self._frames and self._would_overflow(frame):
                self.close(CLOSE_TOO_SLOW, discard_queue=True)
                metrics.DROPPED.inc()
            else:
                self.append(frame)

    def replay(self, missed: Sequence[Message]) -> None:
        """Send missed events before the queued ones. They do not count against the limits."""
        if self.close_code is None:
            self._missed = [*reversed(missed)]
            self._wake()

    async def respond(self, frame: AnyStr) -> None:
        """Queue a response as soon as there is room.

        Meanwhile no frames are read from the client, so that it cannot fill the queue.
        """
        await self.wait_for_room()
        self.append(frame)

    async def wait_for_room(self) -> None:
        """Wait until the missed events are sent and the queue can take a frame."""
        while self._missed or len(self._frames) >= self.settings.ws_queue_messages:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def close(self, code: int, *, discard_queue: bool = False) -> None:
        """Close the connection once the queue is sent, or at once; the first code wins."""
        if discard_queue:
            metrics.DROPPED.inc(self.queued)
            self._missed.clear()
            self._frames.clear()
            self._bytes = 0
        if self.close_code is None:
            self.close_code = code
        self._wake()

    def check_deadlines(self, now: float) -> None:
        """Warn, close, abort or send a keep-alive, if due at this time of the monotonic clock."""
        idle_seconds = now - self._last_sent_at
        if now >= self._warn_at:
            self._warn_at = math.inf
            self.warn_of_expiry()
        if now >= self._expires_at:
            self.close(CLOSE_TOKEN_EXPIRED)
        if self._sending and idle_seconds >= self.settings.ws_send_seconds:
            self.abort()
        elif not self._sending and idle_seconds >= KEEPALIVE_SECONDS:
            self.keep_alive()

    def warn_of_expiry(self) -> None:
        """Announce that the token expires soon, if the protocol has a frame for it."""

    def keep_alive(self) -> None:
        """Send something on an idle connection, if the server does not send pings."""

    def __aiter__(self) -> "Subscription[AnyStr]":
        return self

    async def __anext__(self) -> AnyStr:
        self._sending = False
        while not (self._missed or self._frames) and self.close_code is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        self._sending = True  # after the last frame: the connection is being closed
        self._last_sent_at = time.monotonic()
        self._wake()
        if self._missed:
            return self.encode(Event(self._missed.pop()))
        if self._frames:
            frame = self._frames.pop(0)
            self._bytes -= len(frame)
            return frame
        raise StopAsyncIteration

    def append(self, frame: AnyStr) -> None:
        if self.close_code is None:
            self._frames.append(frame)
            self._bytes += len(frame)
            self._wake()

    def _wake(self) -> None:
        """Wake the reader or the writer after a change of the queue or of the close code."""
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _would_overflow(self, frame: AnyStr) -> bool:
        return (
            len(self._frames) >= self.settings.ws_queue_messages
            or self._bytes + len(frame) > self.settings.ws_queue_bytes
        )
