"""The frames of `/ws/notifications` that clients send, and the ones that they get."""

import json
from functools import cached_property
from typing import Annotated, Any, Literal

from fastapi.sse import format_sse_event
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from app.realtime.broker import Message


class Event:
    """An event as it is sent: encoded once, however many there are who get it."""

    def __init__(self, message: Message) -> None:
        self._message = message

    @cached_property
    def text(self) -> str:
        if self._message.kind == "reset":
            return '{"type": "reset"}'
        head = json.dumps({"type": "event", "id": self._message.id, "event": self._message.event})
        return f'{head[:-1]}, "data": {self._message.data}}}'

    @cached_property
    def sse(self) -> bytes:
        message = self._message
        return format_sse_event(event=message.event, data_str=message.data, id=message.id)


class Frame(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Ping(Frame):
    type: Literal["ping"]


class Resume(Frame):
    type: Literal["resume"]
    after: str


class Auth(Frame):
    type: Literal["auth"]
    token: str


ClientFrame = Annotated[Ping | Resume | Auth, Field(discriminator="type")]
_client_frame: TypeAdapter[ClientFrame] = TypeAdapter(ClientFrame)


class BadFrameError(Exception):
    """A frame that is answered with an error; `code` is for programs, the text for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code

    def answer(self) -> dict[str, Any]:
        return {"type": "error", "code": self.code, "detail": str(self)}


# Not the texts of Pydantic, which may repeat what was sent, however long.
_PROBLEMS = {
    "json_invalid": ("invalid_json", "A frame is one JSON object"),
    "union_tag_invalid": ("unknown_type", "The types are ping, resume and auth"),
    "union_tag_not_found": ("unknown_type", "The types are ping, resume and auth"),
}


def parse(text: str) -> ClientFrame:
    """Read one frame; raises `BadFrameError`."""
    try:
        return _client_frame.validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        raise BadFrameError(
            *_PROBLEMS.get(problem["type"], ("invalid_frame", problem["msg"]))
        ) from None
