from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import User
from app.auth.sessions import LoginSession
from app.auth.tokens import AccessToken, InvalidTokenError, decode_access_token


async def authenticate(db: AsyncSession, encoded: str) -> tuple[AccessToken, User]:
    """Return a token and its user, with one query; raises `InvalidTokenError`.

    A token ends before its time with its session and when the user is deactivated or has
    another role.
    """
    token = decode_access_token(encoded)
    user = await db.scalar(
        select(User).where(
            User.id == token.user_id, User.role == token.role, User.active, _not_ended(token)
        )
    )
    if user is None:
        raise InvalidTokenError
    return token, user


def _not_ended(token: AccessToken) -> ColumnElement[bool]:
    if token.session_id is None:
        return or_(User.access_ended_at.is_(None), User.access_ended_at < token.issued_at)
    session = select(LoginSession.id).where(
        LoginSession.id == token.session_id, LoginSession.user_id == User.id
    )
    return session.exists()
