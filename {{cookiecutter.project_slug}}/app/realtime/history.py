from collections import OrderedDict
from itertools import takewhile

from app.realtime.brokers.base import Message

MAX_HISTORY_BYTES = 16 * 1024 * 1024  # of event data, in addition to the maximum number of events


class History:
    """The most recent events, for clients that resume after a lost connection."""

    def __init__(self, max_events: int) -> None:
        self.last_number = 0
        """Number of events appended so far; it numbers the last one."""
        self._max_events = max_events
        self._events: OrderedDict[str, tuple[int, Message]] = OrderedDict()
        self._bytes = 0

    @property
    def newest_id(self) -> str:
        """The id of the last event; empty if there is none."""
        return next(reversed(self._events), "")

    def append(self, message: Message) -> None:
        """Add an event, and evict the oldest ones above the limits."""
        self.last_number += 1
        self._events[message.id] = self.last_number, message
        self._bytes += len(message.data)
        while len(self._events) > self._max_events or self._bytes > MAX_HISTORY_BYTES:
            _, (_, oldest) = self._events.popitem(last=False)
            self._bytes -= len(oldest.data)

    def clear(self) -> None:
        self._events.clear()
        self._bytes = 0

    def after(self, event_id: str, until: int) -> list[Message] | None:
        """Return the events after an id, up to number `until`; None if the id is not known.

        An unknown id means that events after it may have been evicted.
        """
        if event_id not in self._events:
            return None
        start, _ = self._events[event_id]
        newest_first = takewhile(lambda entry: entry[0] > start, reversed(self._events.values()))
        return [message for number, message in newest_first if number <= until][::-1]
