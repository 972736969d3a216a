from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, SecretStr

# One account for one mailbox: practically all providers ignore the case.
Email = Annotated[EmailStr, AfterValidator(str.lower)]


def _encodable(password: SecretStr) -> SecretStr:
    password.get_secret_value().encode()  # a lone surrogate is a ValueError, and so 422
    return password


class UserCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: Email
    password: Annotated[SecretStr, Field(min_length=8, max_length=128), AfterValidator(_encodable)]


class UserRead(BaseModel):
    id: int
    email: str
    role: str


class Token(BaseModel):
    """RFC 6749, 5.1."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105 - the name of a scheme
    expires_in: int
    """Seconds."""
