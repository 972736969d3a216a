import json
from functools import cached_property

from fastapi.sse import format_sse_event

from app.realtime.brokers.base import Message
from app.realtime.websocket_frames import Reset


class Event:
    """An event that is encoded at most once per protocol, however many clients receive it."""

    def __init__(self, message: Message) -> None:
        self._message = message

    @cached_property
    def json(self) -> str:
        """The text frame for WebSockets."""
        message = self._message
        if message.kind == "reset":
            return Reset().model_dump_json()
        head = json.dumps({"type": "event", "id": message.id, "event": message.event})
        return f'{head[:-1]}, "data": {message.data}}}'  # the data is JSON already

    @cached_property
    def sse(self) -> bytes:
        """The server-sent event."""
        message = self._message
        return format_sse_event(event=message.event, data_str=message.data, id=message.id)
