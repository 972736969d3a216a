from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends
from fastapi.security import OAuth2PasswordRequestForm
from sqlalchemy import select

from app.auth.models import User
from app.auth.passwords import hash_password, verify_password
from app.auth.schemas import Token, UserCreate, UserRead, is_text
from app.auth.tokens import create_access_token
from app.dependencies import CurrentUser, DbSession
from app.errors import ConflictError, ServiceError, conflict
from app.settings import get_settings

router = APIRouter(prefix="/auth", tags=["auth"])


class EmailTakenError(ConflictError):
    detail = "There is an account with this e-mail address"


class WrongCredentialsError(ServiceError):
    status = HTTPStatus.UNAUTHORIZED
    detail = "Unknown e-mail address or wrong password"
    headers: ClassVar = {"WWW-Authenticate": "Bearer"}


@router.post("/register", status_code=HTTPStatus.CREATED, response_model=UserRead)
async def register(session: DbSession, new: UserCreate) -> User:
    user = User(email=new.email, password_hash=await hash_password(new.password.get_secret_value()))
    session.add(user)
    with conflict(EmailTakenError):
        await session.flush()
    return user


@router.post("/token")
async def login(session: DbSession, form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> Token:
    """Exchange an e-mail address, sent as `username`, and a password for an access token."""
    if not all(is_text(field) for field in (form.username, form.password)):
        raise WrongCredentialsError
    user = await session.scalar(select(User).where(User.email == form.username.lower()))
    await session.commit()  # gives the connection back before the slow part
    fits = await verify_password(form.password, user.password_hash if user else None)
    if user is None or not fits:
        raise WrongCredentialsError
    return Token(
        access_token=create_access_token(user.id, user.role),
        expires_in=get_settings().access_token_minutes * 60,
    )


@router.get("/me", response_model=UserRead)
async def read_me(user: CurrentUser) -> User:
    return user
