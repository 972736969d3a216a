from typing import Annotated

from pydantic import MISSING, AfterValidator, BaseModel, ConfigDict, EmailStr, Field, SecretStr

from app.auth.models import Role

# One account for one mailbox: practically all providers ignore the case.
Email = Annotated[EmailStr, AfterValidator(str.lower)]


def _text_only(password: SecretStr) -> SecretStr:
    """Refuse lone surrogates, which nothing can hash."""
    if any("\ud800" <= character <= "\udfff" for character in password.get_secret_value()):
        raise ValueError("is not Unicode text")
    return password


Password = Annotated[SecretStr, Field(max_length=128), AfterValidator(_text_only)]
NewPassword = Annotated[Password, Field(min_length=8)]


class UserCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: Email
    password: NewPassword


class Credentials(BaseModel):
    email: Email
    password: Password


class PasswordChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    current_password: Password
    new_password: NewPassword


class UserUpdate(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    role: Role | MISSING = MISSING
    active: bool | MISSING = MISSING


UserId = Annotated[int, Field(ge=1, lt=2**63)]


class UserRead(BaseModel):
    id: int
    email: str
    role: str


class AccountRead(UserRead):
    active: bool


class Token(BaseModel):
    """RFC 6749, 5.1."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105 - the name of a scheme
    expires_in: int
    """Seconds."""
    refresh_token: str


class Refresh(BaseModel):
    model_config = ConfigDict(extra="forbid")

    refresh_token: SecretStr
