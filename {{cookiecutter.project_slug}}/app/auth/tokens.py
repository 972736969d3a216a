from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, ClassVar
from uuid import UUID, uuid4

import jwt
from pydantic import BaseModel, ConfigDict, Field

from app import about
from app.errors import ServiceError
from app.settings import get_settings

ALGORITHM = "HS256"
TYPE = "at+jwt"  # RFC 9068: an access token, so that no other kind passes for one
CLAIMS = ["aud", "exp", "iat", "iss", "jti", "role", "sub"]
LEEWAY = timedelta(seconds=30)  # clocks of two machines differ


class InvalidTokenError(ServiceError):
    status = HTTPStatus.UNAUTHORIZED
    detail = "The access token is not valid"
    headers: ClassVar = {"WWW-Authenticate": 'Bearer error="invalid_token"'}  # RFC 6750, 3


Seconds = Annotated[float, Field(ge=0, lt=2**35)]  # since 1970; RFC 7519 allows fractions


@dataclass(frozen=True)
class AccessToken:
    user_id: int
    role: str
    session_id: str | None
    issued_at: datetime
    expires_at: datetime


class Claims(BaseModel):
    """What was signed, in the only form in which it is signed here."""

    model_config = ConfigDict(strict=True)

    sub: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,17}$")]
    role: Annotated[str, Field(pattern=r"^\P{C}{1,20}$")]
    sid: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    iat: Seconds
    exp: Seconds


def create_access_token(user_id: int | UUID, role: str, session_id: str | None = None) -> str:
    """Sign a token for a session, or for nothing but the time until it expires."""
    now = datetime.now(UTC)
    settings = get_settings()
    claims = {
        "iss": about.NAME,
        "aud": about.NAME,
        "sub": str(user_id),
        "role": role,
        "iat": now,
        "exp": now + timedelta(minutes=settings.access_token_minutes),
        "jti": uuid4().hex,
    }
    if session_id:
        claims["sid"] = session_id
    key = settings.secret_key.get_secret_value()
    return jwt.encode(claims, key, ALGORITHM, headers={"typ": TYPE})


def decode_access_token(token: str) -> AccessToken:
    """Verify a token; raises `InvalidTokenError` whatever is wrong with it."""
    try:
        verified = jwt.decode_complete(
            token,
            get_settings().secret_key.get_secret_value(),
            algorithms=[ALGORITHM],
            issuer=about.NAME,
            audience=about.NAME,
            leeway=LEEWAY,
            options={"require": CLAIMS},
        )
        if verified["header"].get("typ") != TYPE:
            raise jwt.InvalidTokenError("typ")
        claims = Claims.model_validate(verified["payload"])
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError) as error:
        raise InvalidTokenError from error
    return AccessToken(
        user_id=int(claims.sub),
        role=claims.role,
        session_id=claims.sid,
        issued_at=datetime.fromtimestamp(claims.iat, UTC),
        expires_at=datetime.fromtimestamp(claims.exp, UTC),
    )
