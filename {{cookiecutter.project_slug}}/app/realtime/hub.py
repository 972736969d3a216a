import asyncio
import itertools
import json
import re
import time
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TypeVar

from fastapi import status

from app.realtime import metrics
from app.realtime.broker import Message, create_broker
from app.realtime.frames import Event
from app.realtime.history import History
from app.realtime.limits import (
    TOKEN_EXPIRED,
    Allowance,
    AtCapacityError,
    StoppingError,
    TooManySocketsError,
)
from app.realtime.subscription import Subscription
from app.settings import Settings

EVENT_NAME = r"[A-Za-z0-9_.:-]{1,100}"  # no line can end in it
TICK_SECONDS = 0.25

AnySubscription = Subscription[str] | Subscription[bytes]
S = TypeVar("S", bound=AnySubscription)


class Hub:
    """Hands the events of all processes to the sockets and streams of this one."""

    def __init__(self, broker_url: str = "memory://", history_events: int = 1000) -> None:
        self.broker = create_broker(broker_url, self.deliver, history_events)
        self.history = History(history_events)
        self.stopping = False
        self._all: set[AnySubscription] = set()
        self._guests = 0
        self._by_user: dict[int, set[AnySubscription]] = {}
        self.ended = 0  # disconnections delivered so far
        self._ended: deque[Message] = deque(maxlen=1000)
        self._timer: asyncio.TimerHandle | None = None
        self._pausing: set[asyncio.Future[None]] = set()

    def __len__(self) -> int:
        return len(self._all)

    async def publish(self, event: str, data: object, *, user_id: int | None = None) -> str:
        """Send an event to one user or to all, on every process, and return its id."""
        if not re.fullmatch(EVENT_NAME, event):
            raise ValueError(f"no name for an event: {event!r}")
        event_id = await self.broker.publish(Message("event", user_id, event, json.dumps(data)))
        metrics.PUBLISHED.inc()
        return event_id

    async def disconnect(self, user_id: int, session_id: str | None = None) -> None:
        """Close a user's sockets and streams on every process, or those of one login."""
        await self.broker.publish(Message("disconnect", user_id, session_id=session_id))

    def deliver(self, message: Message) -> None:
        """Take a message from the broker."""
        match message.kind:
            case "disconnect":
                self.ended += 1
                self._ended.append(message)
                for subscription in self._of(message.user_id):
                    _end_if_meant(subscription, message)
                return
            case "reset":
                self.history.clear()
        self.history.append(message)
        if message.kind != "past":
            event = Event(message)
            receivers = self._of(message.user_id)
            for subscription in receivers:
                subscription.offer(event)
            metrics.DELIVERED.inc(sum(receiver.close_code is None for receiver in receivers))

    @contextmanager
    def subscribe(self, subscription: S) -> Iterator[S]:
        """Take part until the block ends; raises `RefusedError`."""
        self._admit(subscription)
        try:
            yield subscription
        finally:
            self._leave(subscription)

    @contextmanager
    def guest(self, settings: Settings) -> Iterator[None]:
        """Hold a place for who gets no events until the block ends; raises `RefusedError`."""
        self._check_room(settings)
        self._guests += 1
        try:
            yield
        finally:
            self._guests -= 1

    def end_if_revoked(self, subscription: AnySubscription, since: int) -> None:
        """Close it where its token was revoked while it was verified: `ended` was `since` before.

        A disconnection that came between would find the subscription not yet there.
        """
        for message in itertools.islice(reversed(self._ended), self.ended - since):
            _end_if_meant(subscription, message)

    def resume(self, subscription: AnySubscription, after: str) -> bool:
        """Replay what a client missed; False where that may be gone."""
        missed = self.history.after(after, subscription.joined)
        if missed is None:
            return False
        mine = (None, subscription.token.user_id)
        subscription.replay([message for message in missed if message.user_id in mine])
        return True

    def stop(self) -> None:
        """End what is open and open nothing more: the service is about to stop."""
        self.stopping = True
        for subscription in self._all:
            subscription.close(status.WS_1012_SERVICE_RESTART)
        for pause in self._pausing:
            pause.cancel()

    async def pause(self, seconds: float) -> None:
        """Sleep, but not beyond `stop`."""
        pause = asyncio.get_running_loop().create_future()
        self._pausing.add(pause)
        if not self.stopping:
            await asyncio.wait([pause], timeout=seconds)
        self._pausing.discard(pause)

    def tick(self) -> None:
        """Let everybody look at the clock: one timer for all, while there is anybody."""
        now = time.monotonic()
        for subscription in self._all:
            subscription.tick(now)
        metrics.QUEUED.set(sum(subscription.waiting for subscription in self._all))
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self.tick)

    def _admit(self, subscription: AnySubscription) -> None:
        settings = subscription.settings
        mine = self._by_user.get(subscription.token.user_id, set())
        self._check_room(settings)
        if sum(other.close_code is None for other in mine) >= settings.ws_max_sockets_per_user:
            raise TooManySocketsError
        allowances = (other.allowance for other in mine)
        subscription.allowance = next(allowances, Allowance(settings.ws_frames_per_second))
        subscription.joined = self.history.count
        self._by_user[subscription.token.user_id] = mine | {subscription}
        self._all.add(subscription)
        if self._timer is None:
            self.tick()

    def _check_room(self, settings: Settings) -> None:
        if self.stopping:
            raise StoppingError
        if len(self._all) + self._guests >= settings.ws_max_sockets:
            raise AtCapacityError

    def _leave(self, subscription: AnySubscription) -> None:
        self._all.remove(subscription)
        user_id = subscription.token.user_id
        self._by_user[user_id] = self._by_user[user_id] - {subscription}
        if not self._by_user[user_id]:
            del self._by_user[user_id]
        if self._timer and not self._all:
            self._timer.cancel()
            self._timer = None
            metrics.QUEUED.set(0)

    def _of(self, user_id: int | None) -> Collection[AnySubscription]:
        return self._all if user_id is None else self._by_user.get(user_id, ())


def _end_if_meant(subscription: AnySubscription, disconnection: Message) -> None:
    token = subscription.token
    if disconnection.user_id == token.user_id and disconnection.session_id in (
        None,
        token.session_id,
    ):
        subscription.drop(TOKEN_EXPIRED)
