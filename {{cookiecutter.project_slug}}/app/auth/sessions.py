"""What a login starts, each refresh carries on, and a logout or a change of the account ends."""

import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import ClassVar

from sqlalchemy import ForeignKey, String, delete, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.models import User
from app.database import Base
from app.errors import ServiceError
from app.settings import get_settings


class InvalidRefreshTokenError(ServiceError):
    status = HTTPStatus.UNAUTHORIZED
    detail = "The refresh token is not valid"
    headers: ClassVar = {"WWW-Authenticate": "Bearer"}


class LoginSession(Base):
    """A login. Its refresh tokens are `<family>.<secret>`, and only the latest one is valid."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """The hash of the family; access tokens carry it as `sid`."""
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime]


def session_id_of(refresh_token: str) -> str:
    return _hash(refresh_token.partition(".")[0])


async def start_session(db: AsyncSession, user_id: int) -> str:
    """Return the first refresh token of a new session; sweep away the user's expired ones."""
    expired = LoginSession.expires_at < datetime.now(UTC)
    await db.execute(delete(LoginSession).where(LoginSession.user_id == user_id, expired))
    token = _new_token(secrets.token_urlsafe(32))
    db.add(
        LoginSession(
            id=session_id_of(token),
            user_id=user_id,
            token_hash=_hash(token),
            expires_at=_expiry(),
        )
    )
    await db.flush()
    return token


async def rotate(db: AsyncSession, refresh_token: str) -> tuple[int, str] | None:
    """Return whose session it is and its next token; None where this is not its latest one."""
    token = _new_token(refresh_token.partition(".")[0])
    # One statement, so that of two requests with the same token only one finds it.
    rotated = await db.execute(
        update(LoginSession)
        .where(
            LoginSession.id == session_id_of(refresh_token),
            LoginSession.token_hash == _hash(refresh_token),
            LoginSession.expires_at > datetime.now(UTC),
        )
        .values(token_hash=_hash(token), expires_at=_expiry())
        .returning(LoginSession.user_id)
    )
    user_id = rotated.scalar()
    return (user_id, token) if user_id else None


async def end_session(db: AsyncSession, session_id: str) -> int | None:
    """Return whose session it was; None if there was none."""
    ended = await db.execute(
        delete(LoginSession).where(LoginSession.id == session_id).returning(LoginSession.user_id)
    )
    return ended.scalar()


async def end_access(db: AsyncSession, user: User) -> None:
    """Take back every token of a user."""
    user.access_ended_at = datetime.now(UTC)
    await db.flush()  # locks the user first, as a login does
    await db.execute(delete(LoginSession).where(LoginSession.user_id == user.id))


def _new_token(family: str) -> str:
    return f"{family}.{secrets.token_urlsafe(32)}"


def _hash(token: str) -> str:
    """No slow hash is needed: what is hashed is random and long."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _expiry() -> datetime:
    return datetime.now(UTC) + timedelta(days=get_settings().refresh_token_days)
