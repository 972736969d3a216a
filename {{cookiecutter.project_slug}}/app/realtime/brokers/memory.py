import asyncio
import itertools
import time
from dataclasses import replace

from app.realtime.brokers.base import Deliver, Message


class MemoryBroker:
    """Delivers messages within one process."""

    def __init__(self, _url: str, deliver: Deliver, _history_events: int) -> None:
        self._deliver = deliver
        # Unique across restarts, so that a client never resumes from an id of an earlier run.
        self._ids = (f"{time.time_ns() // 1_000_000}-{n}" for n in itertools.count(1))

    async def publish(self, message: Message) -> str:
        message = replace(message, id=next(self._ids))
        self._deliver(message)
        await asyncio.sleep(0)  # a loop that publishes would otherwise starve the writers
        return message.id

    async def run(self) -> None:
        """Return at once, because there are no other processes."""

    async def check(self) -> bool:
        return True
