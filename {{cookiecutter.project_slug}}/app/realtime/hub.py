import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Subscription:
    """One socket's place in the hub: what waits to be sent to it."""

    def __init__(self, user_id: int, room: int) -> None:
        self.user_id = user_id
        self.frames: asyncio.Queue[str | int] = asyncio.Queue(room)
        self.overflowed = asyncio.Event()

    def put(self, frame: str | int) -> None:
        """Append a frame, or a code to close the socket with once the frames before it are out.

        Nobody waits: where there is no room, the subscription is marked as overflowed.
        """
        try:
            self.frames.put_nowait(frame)
        except asyncio.QueueFull:
            self.overflowed.set()


class Hub:
    """Hands each published event to the sockets connected to this process."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        # Unique over restarts, so that no id of an earlier run is taken for one of this run.
        self._ids = (f"{time.time_ns() // 1_000_000}-{n}" for n in itertools.count(1))

    def __len__(self) -> int:
        return len(self._subscriptions)

    @contextmanager
    def subscribe(self, user_id: int, room: int) -> Iterator[Subscription]:
        """Take part until the block ends; `room` is how many frames may wait."""
        subscription = Subscription(user_id, room)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    async def publish(self, event: str, data: object, *, user_id: int | None = None) -> str:
        """Send an event to one user or to all, and return its id."""
        event_id = next(self._ids)
        frame = json.dumps({"type": "event", "id": event_id, "event": event, "data": data})
        for subscription in self._subscriptions:
            if user_id in (None, subscription.user_id):
                subscription.put(frame)
        return event_id
