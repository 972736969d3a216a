from fastapi.security import OAuth2PasswordRequestForm
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import User
from app.auth.passwords import verify_password
from app.auth.schemas import Credentials


def read_credentials(form: OAuth2PasswordRequestForm) -> Credentials | None:
    """Return what could be somebody's; it has the same form as at the registration."""
    try:
        return Credentials.model_validate({"email": form.username, "password": form.password})
    except ValidationError:
        return None


async def check_credentials(db: AsyncSession, credentials: Credentials) -> User | None:
    """Return the active user whose credentials these are, locked until the commit."""
    user = await db.scalar(select(User).where(User.email == credentials.email))
    await db.commit()  # gives the connection back before the slow part
    checked_hash = user.password_hash if user else None
    kept_hash = await verify_password(credentials.password, checked_hash)
    if not user or not kept_hash:
        return None
    # The password may have been changed meanwhile, and whoever changed it ends all sessions.
    unchanged = User.id == user.id, User.password_hash == checked_hash, User.active
    user = await db.scalar(select(User).where(*unchanged).with_for_update())
    if user:
        user.password_hash = kept_hash
    return user
