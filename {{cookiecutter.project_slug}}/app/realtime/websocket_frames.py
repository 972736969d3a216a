"""The frames of `/ws/notifications` and `/ws/json`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

ErrorCode = Literal["invalid_frame", "invalid_json", "invalid_token", "not_text", "unknown_type"]


# ISO 8601, exactly as `isoformat` writes it.
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


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


class ServerFrame(BaseModel):
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Pong(ServerFrame):
    type: Literal["pong"] = "pong"


class Reset(ServerFrame):
    """Some events are no longer kept: reload the state."""

    type: Literal["reset"] = "reset"


class Authenticated(ServerFrame):
    """The socket stays open until the new token expires."""

    type: Literal["authenticated"] = "authenticated"
    expires_at: Time


class TokenExpiring(ServerFrame):
    type: Literal["token_expiring"] = "token_expiring"
    expires_at: Time


class ErrorFrame(ServerFrame):
    """The response to a frame that is refused; ten in a row close the socket with 1008."""

    type: Literal["error"] = "error"
    code: ErrorCode
    detail: str


# `Event.json` and the route of `/ws/json` write the next three themselves, because they are frequent.
class EventFrame(ServerFrame):
    type: Literal["event"] = "event"
    id: str
    event: str
    data: JsonValue


class JsonReceived(ServerFrame):
    status: Literal["ok"] = "ok"
    received: JsonValue


class JsonRefused(ServerFrame):
    status: Literal["error"] = "error"
    detail: str


class BadFrameError(Exception):
    """A frame that gets an error frame in response; `code` is stable, the detail is for people."""

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code

    def frame(self) -> ErrorFrame:
        return ErrorFrame(code=self.code, detail=str(self))


# Pydantic's messages for these may repeat the input, which has no maximum length.
_DETAILS: dict[str, tuple[ErrorCode, str]] = {
    "json_invalid": ("invalid_json", "A frame must be one JSON object"),
    "union_tag_invalid": ("unknown_type", "The type must be ping, resume or auth"),
    "union_tag_not_found": ("unknown_type", "The type must be ping, resume or auth"),
}


def parse(text: str) -> ClientFrame:
    """Parse and validate one frame; raise `BadFrameError`."""
    try:
        return _client_frame.validate_json(text)
    except ValidationError as error:
        problem = error.errors()[0]
        code, detail = _DETAILS.get(problem["type"], ("invalid_frame", problem["msg"]))
        raise BadFrameError(code, detail) from None
