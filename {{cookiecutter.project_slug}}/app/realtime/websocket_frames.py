"""The frames that clients of `/ws/notifications` send, and the error frame."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError


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
    """A frame that gets an error frame in response; `code` is stable, the detail is for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code

    def frame(self) -> dict[str, object]:
        return {"type": "error", "code": self.code, "detail": str(self)}


# Pydantic's messages for these may repeat the input, which has no maximum length.
_DETAILS = {
    "json_invalid": ("invalid_json", "A frame must be one JSON object"),
    "union_tag_invalid": ("unknown_type", "The type must be ping, resume or auth"),
    "union_tag_not_found": ("unknown_type", "The type must be ping, resume or auth"),
}


def parse(text: str) -> ClientFrame:
    """Parse and validate one frame; raise `BadFrameError`."""
    try:
        return _client_frame.validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        code, detail = _DETAILS.get(problem["type"], ("invalid_frame", problem["msg"]))
        raise BadFrameError(code, detail) from None
