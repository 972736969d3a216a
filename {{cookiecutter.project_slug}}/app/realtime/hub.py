import asyncio
import itertools
import json
import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from app.errors import CLOSE_TOKEN_EXPIRED
from app.observability.background import supervise
from app.realtime import metrics
from app.realtime.brokers.base import EVENT_NAME_PATTERN, Message
from app.realtime.brokers.registry import BROKERS
from app.realtime.connections import AnySubscription, Connections
from app.realtime.events import Event
from app.realtime.history import History
from app.realtime.limits import ReplayLimiter, StoppingError

TICK_SECONDS = 0.25  # between two checks of all deadlines
MAX_RECENT_REVOCATIONS = 1000  # enough for the time that the verification of one token takes

S = TypeVar("S", bound=AnySubscription)


class Hub:
    """Delivers the events of all processes to the sockets and streams of this process."""

    def __init__(self, broker_url: str = "memory://", history_events: int = 1000) -> None:
        scheme = broker_url.partition("://")[0]
        self.broker = BROKERS[scheme](broker_url, self.deliver, history_events)
        self.history = History(history_events)
        self.connections = Connections()
        self._replay_limiter = ReplayLimiter()
        self.revocations_seen = 0
        """Number of revocations delivered so far, for `close_if_revoked`."""
        self._recent_revocations: deque[Message] = deque(maxlen=MAX_RECENT_REVOCATIONS)
        self._timer: asyncio.Task[None] | None = None

    async def publish(self, event: str, data: object, *, user_id: int | None = None) -> str:
        """Send an event to one user or to all users, on every process; return its id.

        Raise `ValueError` if the name does not match `EVENT_NAME_PATTERN`.
        """
        if not re.fullmatch(EVENT_NAME_PATTERN, event):
            raise ValueError(f"invalid event name: {event!r}")
        event_id = await self.broker.publish(Message("event", user_id, event, json.dumps(data)))
        metrics.PUBLISHED.inc()
        return event_id

    async def disconnect(self, user_id: int, session_id: str | None = None) -> None:
        """Close a user's sockets and streams on every process, or those of one login session."""
        await self.broker.publish(Message("disconnect", user_id, session_id=session_id))

    async def check(self) -> str:
        """Return "ok", or "degraded" while events do not reach other processes.

        Raise `StoppingError` during shutdown.
        """
        if self.connections.stopping:
            raise StoppingError
        return "ok" if await self.broker.check() else "degraded"

    def deliver(self, message: Message) -> None:
        """Handle a message of the broker."""
        if message.kind == "disconnect":
            self._revoke(message)
            return
        if message.kind == "reset":
            self.history.clear()
        self.history.append(message)
        if message.kind != "past":
            event = Event(message)
            recipients = self.connections.subscriptions(message.user_id)
            for subscription in recipients:
                subscription.enqueue(event)
            metrics.DELIVERED.inc(sum(recipient.close_code is None for recipient in recipients))

    @contextmanager
    def subscribe(self, subscription: S) -> Iterator[S]:
        """Deliver events to a subscription until the block ends; raise `AdmissionError`."""
        self.connections.add(subscription)
        subscription.subscribed_at = self.history.last_number
        if self._timer is None:
            self._timer = supervise("deadlines", self._check_deadlines)
        try:
            yield subscription
        finally:
            self.connections.remove(subscription)
            if self._timer and not self.connections.subscriptions():
                self._timer.cancel()
                self._timer = None
                metrics.QUEUED.set(0)

    def close_if_revoked(self, subscription: AnySubscription, since: int) -> None:
        """Close a subscription whose token was revoked while it was being verified.

        `since` is `revocations_seen` from before the verification. A revocation after that has not
        closed the subscription, which did not exist yet.
        """
        new = self.revocations_seen - since
        for revocation in itertools.islice(reversed(self._recent_revocations), new):
            _close_if_affected(subscription, revocation)

    async def resume(self, subscription: AnySubscription, after: str) -> bool:
        """Replay the events that a client missed; return False if some may have been evicted."""
        missed = self.history.after(after, subscription.subscribed_at)
        if missed is None:
            return False
        user_id = subscription.token.user_id
        replay = [message for message in missed if message.user_id in (None, user_id)]
        await self._replay_limiter.wait(user_id, sum(len(message.data) for message in replay))
        subscription.replay(replay)
        return True

    async def _check_deadlines(self) -> None:
        """Check all deadlines every `TICK_SECONDS`: one timer is cheaper than many."""
        while True:
            self.tick()
            await asyncio.sleep(TICK_SECONDS)

    def tick(self) -> None:
        now = time.monotonic()
        subscriptions = self.connections.subscriptions()
        for subscription in subscriptions:
            subscription.check_deadlines(now)
        metrics.QUEUED.set(sum(subscription.queued for subscription in subscriptions))

    def _revoke(self, revocation: Message) -> None:
        self.revocations_seen += 1
        self._recent_revocations.append(revocation)
        for subscription in self.connections.subscriptions(revocation.user_id):
            _close_if_affected(subscription, revocation)


def _close_if_affected(subscription: AnySubscription, revocation: Message) -> None:
    token = subscription.token
    same_session = revocation.session_id in (None, token.session_id)
    if revocation.user_id == token.user_id and same_session:
        subscription.close(CLOSE_TOKEN_EXPIRED, discard_queue=True)
