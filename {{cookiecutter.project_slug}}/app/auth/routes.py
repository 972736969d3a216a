from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, BackgroundTasks, Depends
from fastapi.security import OAuth2PasswordRequestForm

from app.auth.credentials import check_credentials, read_credentials
from app.auth.models import User
from app.auth.passwords import hash_password, verify_password
from app.auth.schemas import PasswordChange, Refresh, Token, UserCreate, UserRead
from app.auth.sessions import (
    InvalidRefreshTokenError,
    end_access,
    end_session,
    rotate,
    session_id_of,
    start_session,
)
from app.auth.tokens import create_access_token, decode_access_token
from app.dependencies import BearerToken, CurrentHub, CurrentUser, DbSession
from app.errors import ConflictError, ForbiddenError, ServiceError, conflict
from app.settings import get_settings

router = APIRouter(prefix="/auth", tags=["auth"])


class EmailTakenError(ConflictError):
    detail = "There is an account with this e-mail address"


class WrongCredentialsError(ServiceError):
    status = HTTPStatus.UNAUTHORIZED
    detail = "Unknown e-mail address or wrong password"
    headers: ClassVar = {"WWW-Authenticate": "Bearer"}


class WrongPasswordError(ForbiddenError):
    detail = "This is not the current password"


@router.post("/register", status_code=HTTPStatus.CREATED, response_model=UserRead)
async def register(session: DbSession, new: UserCreate) -> User:
    user = User(email=new.email, password_hash=await hash_password(new.password))
    session.add(user)
    with conflict(EmailTakenError):
        await session.flush()
    return user


@router.post("/token")
async def login(session: DbSession, form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> Token:
    """Exchange an e-mail address, sent as `username`, and a password for the first tokens."""
    credentials = read_credentials(form)
    user = await check_credentials(session, credentials) if credentials else None
    if user is None:
        raise WrongCredentialsError
    return _tokens(user, await start_session(session, user.id))


@router.post("/refresh")
async def refresh(session: DbSession, hub: CurrentHub, sent: Refresh) -> Token:
    """Exchange a refresh token for the next tokens; to use one twice ends its session."""
    old = sent.refresh_token.get_secret_value()
    rotated = await rotate(session, old)
    if rotated is None:
        session_id = session_id_of(old)
        user_id = await end_session(session, session_id)
        await session.commit()  # the error would roll it back
        if user_id is not None:
            await hub.disconnect(user_id, session_id)
        raise InvalidRefreshTokenError
    user_id, new = rotated
    return _tokens(await session.get_one(User, user_id), new)


@router.post("/logout", status_code=HTTPStatus.NO_CONTENT)
async def logout(
    session: DbSession,
    user: CurrentUser,
    token: BearerToken,
    hub: CurrentHub,
    after_commit: BackgroundTasks,
) -> None:
    """End the session of the token; a token without one ends all of the user's."""
    session_id = decode_access_token(token).session_id
    if session_id is None:
        await end_access(session, user)
    else:
        await end_session(session, session_id)
    after_commit.add_task(hub.disconnect, user.id, session_id)


@router.get("/me", response_model=UserRead)
async def read_me(user: CurrentUser) -> User:
    return user


@router.put("/me/password", status_code=HTTPStatus.NO_CONTENT)
async def change_password(
    session: DbSession,
    user: CurrentUser,
    change: PasswordChange,
    hub: CurrentHub,
    after_commit: BackgroundTasks,
) -> None:
    """Set a new password and end all sessions, also this one."""
    await session.commit()  # gives the connection back before the slow part
    if not await verify_password(change.current_password, user.password_hash):
        raise WrongPasswordError
    user.password_hash = await hash_password(change.new_password)
    await end_access(session, user)
    after_commit.add_task(hub.disconnect, user.id)


def _tokens(user: User, refresh_token: str) -> Token:
    return Token(
        access_token=create_access_token(user.id, user.role, session_id_of(refresh_token)),
        expires_in=get_settings().access_token_minutes * 60,
        refresh_token=refresh_token,
    )
