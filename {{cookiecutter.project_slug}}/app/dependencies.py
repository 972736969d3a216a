from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.bearer import bearer_token
from app.auth.models import Role, User
from app.auth.users import authenticate
from app.database import Database
from app.errors import ForbiddenError


class NotAnAdminError(ForbiddenError):
    detail = "This takes an admin"


def get_database(connection: HTTPConnection) -> Database:
    """Return the open database; raises `RuntimeError` where the lifespan has not run."""
    database: Database | None = connection.app.state.database
    if database is None:
        raise RuntimeError(
            "no database: the lifespan has not run; use `with TestClient(app)`,"
            " or override get_async_db"
        )
    return database


async def get_async_db(connection: HTTPConnection) -> AsyncIterator[AsyncSession]:
    """Yield the session of one request, which is one transaction.

    It is committed when the route has returned and rolled back when it has raised.
    """
    read_only = connection.scope.get("method") in {"GET", "HEAD", "OPTIONS"}
    async with get_database(connection).session(read_only=read_only) as session:
        yield session
        if session.in_transaction():
            await session.commit()


# Function scope commits before the response is sent: a commit that fails is an error
# response, never a 201 for a row that does not exist.
DbSession = Annotated[AsyncSession, Depends(get_async_db, scope="function")]
BearerToken = Annotated[str, Depends(bearer_token)]


async def get_current_user(token: BearerToken, session: DbSession) -> User:
    """Return the user behind the bearer token; raises `InvalidTokenError` where there is none.

    Where a request only reads, the user is detached from its session.
    """
    _, user = await authenticate(session, token)
    return user


async def get_current_admin(user: Annotated[User, Depends(get_current_user)]) -> User:
    if user.role != Role.ADMIN:
        raise NotAnAdminError
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]
CurrentAdmin = Annotated[User, Depends(get_current_admin)]
