"""The frames of `/ws/notifications` that clients send, and the ones that answer them."""

from typing import Annotated, Any, Literal

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
    """A frame that is answered with an error; `code` is for programs, the text for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code

    def answer(self) -> dict[str, Any]:
        return {"type": "error", "code": self.code, "detail": str(self)}


_CODES = {
    "json_invalid": "invalid_json",
    "union_tag_invalid": "unknown_type",
    "union_tag_not_found": "unknown_type",
}


def parse(text: str) -> ClientFrame:
    """Read one frame; raises `BadFrameError`."""
    try:
        return _client_frame.validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        code = _CODES.get(problem["type"], "invalid_frame")
        raise BadFrameError(code, problem["msg"]) from None
