from collections import OrderedDict
from itertools import takewhile

from app.realtime.broker import Message

MAX_BYTES = 16 * 1024 * 1024  # of data, however few events that are


class History:
    """The latest events, for clients that were away."""

    def __init__(self, max_events: int) -> None:
        self.count = 0  # of all events ever
        self._max_events = max_events
        self._events: OrderedDict[str, tuple[int, Message]] = OrderedDict()
        self._bytes = 0

    @property
    def newest_id(self) -> str:
        return next(reversed(self._events), "")

    def append(self, message: Message) -> None:
        self.count += 1
        self._events[message.id] = self.count, message
        self._bytes += len(message.data)
        while len(self._events) > self._max_events or self._bytes > MAX_BYTES:
            _, (_, oldest) = self._events.popitem(last=False)
            self._bytes -= len(oldest.data)

    def clear(self) -> None:
        self._events.clear()
        self._bytes = 0

    def after(self, event_id: str, until: int) -> list[Message] | None:
        """Return the events after one, up to number `until`; None where they may be gone."""
        if event_id not in self._events:
            return None
        known, _ = self._events[event_id]
        newest_first = takewhile(lambda entry: entry[0] > known, reversed(self._events.values()))
        return [message for number, message in newest_first if number <= until][::-1]
