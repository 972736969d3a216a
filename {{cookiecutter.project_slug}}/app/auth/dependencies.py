from typing import Annotated

from fastapi import Depends

from app.auth.authentication import AuthenticatedUser, find_user
from app.auth.bearer import bearer_token
from app.auth.models import Role
from app.auth.tokens import AccessToken, InvalidTokenError, read_token
from app.database.dependencies import DbSession
from app.errors import ForbiddenError, raises


class AdminRequiredError(ForbiddenError):
    detail = "Admin role required"


BearerToken = Annotated[str, Depends(bearer_token)]


@raises(InvalidTokenError)
async def get_access_token(token: BearerToken, session: DbSession) -> AccessToken:
    """Return the verified bearer token; raise 401 if it is missing, invalid or revoked."""
    access_token, _ = await find_user(session, await read_token(token))
    return access_token


CurrentToken = Annotated[AccessToken, Depends(get_access_token)]


@raises(InvalidTokenError)
async def get_current_user(token: BearerToken, session: DbSession) -> AuthenticatedUser:
    """Return the current user; raise 401 if the token is missing, invalid or revoked.

    The lookup takes no lock and leaves no connection checked out, so it also suits WebSockets.
    """
    _, user = await find_user(session, await read_token(token))
    return user


CurrentUser = Annotated[AuthenticatedUser, Depends(get_current_user)]


@raises(AdminRequiredError)
async def get_current_admin(user: CurrentUser) -> AuthenticatedUser:
    """Return the current user; raise 403 without the admin role."""
    if user.role != Role.ADMIN:
        raise AdminRequiredError
    return user


CurrentAdmin = Annotated[AuthenticatedUser, Depends(get_current_admin)]
