from datetime import datetime
from typing import Annotated

from pydantic import MISSING, BaseModel, ConfigDict, Field

PostId = Annotated[int, Field(ge=1, lt=2**53)]
Slug = Annotated[
    str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=100, examples=["hello-world"])
]
# PostgreSQL cannot store NUL; a title has a visible character.
Title = Annotated[
    str, Field(pattern=r"^[^\x00]*[^\s\x00][^\x00]*$", max_length=200, examples=["Hello, world"])
]
Body = Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=20_000, examples=["The text."])]


class PostCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: Title
    body: Body | None = None
    slug: Slug


class PostUpdate(BaseModel):
    """Missing fields keep their value; null clears the body."""

    model_config = ConfigDict(extra="forbid")

    title: Title | MISSING = MISSING
    body: Body | MISSING | None = MISSING
    slug: Slug | MISSING = MISSING


class PostRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    author_id: int
    slug: str
    title: str
    body: str | None
    created_at: datetime


class PostPage(BaseModel):
    items: list[PostRead]
    next: int | None
    """The `after` of the next page; null on the last page."""
