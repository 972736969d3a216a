from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import ClassVar
from uuid import UUID, uuid4

import jwt

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


@dataclass(frozen=True)
class AccessToken:
    user_id: int
    role: str
    expires_at: datetime


def create_access_token(user_id: int | UUID, role: str) -> str:
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
        claims = verified["payload"]
        user_id = int(claims["sub"])
        if not 0 < user_id < 2**63:  # what a database takes for an id
            raise jwt.InvalidTokenError("sub")
        return AccessToken(
            user_id=user_id,
            role=claims["role"],
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        )
    except (jwt.InvalidTokenError, ValueError, OverflowError) as error:
        raise InvalidTokenError from error
