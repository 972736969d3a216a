from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, SecretStr

# One account for one mailbox: practically all providers ignore the case.
Email = Annotated[EmailStr, AfterValidator(str.lower)]


def is_text(value: str) -> bool:
    """Say whether there are no lone surrogates, which nothing can store or hash."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _text_only(password: SecretStr) -> SecretStr:
    if not is_text(password.get_secret_value()):
        raise ValueError("is not Unicode text")
    return password


class UserCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: Email
    password: Annotated[SecretStr, Field(min_length=8, max_length=128), AfterValidator(_text_only)]


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
