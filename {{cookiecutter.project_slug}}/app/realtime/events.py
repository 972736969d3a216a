import json
from functools import cached_property

from fastapi.sse import format_sse_event

from app.realtime.brokers.base import Message

EVENT_NAME_PATTERN = r"[A-Za-z0-9_.:-]{1,100}"  # no line breaks: SSE separates fields by lines


class Event:
    """An event that is encoded at most once per protocol, however many clients receive it."""

    def __init__(self, message: Message) -> None:
        self._message = message

    @cached_property
    def json(self) -> str:
        """The text frame for WebSockets."""
        message = self._message
        if message.kind == "reset":
            return '{"type": "reset"}'
        head = json.dumps({"type": "event", "id": message.id, "event": message.event})
        return f'{head[:-1]}, "data": {message.data}}}'  # the data is JSON already

    @cached_property
    def sse(self) -> bytes:
        """The server-sent event."""
        message = self._message
        return format_sse_event(event=message.event, data_str=message.data, id=message.id)
