from fastapi import APIRouter, BackgroundTasks, Depends

from app.auth.models import User
from app.auth.schemas import AccountRead, UserId, UserUpdate
from app.auth.sessions import end_access
from app.dependencies import CurrentHub, DbSession, get_current_admin
from app.errors import NotFoundError

router = APIRouter(prefix="/users", tags=["users"], dependencies=[Depends(get_current_admin)])


class UserNotFoundError(NotFoundError):
    detail = "There is no such user"


@router.patch("/{user_id}", response_model=AccountRead)
async def update_user(
    session: DbSession,
    user_id: UserId,
    changes: UserUpdate,
    hub: CurrentHub,
    after_commit: BackgroundTasks,
) -> User:
    """Change a user's role, shut the user out or let him in again; ends all his sessions."""
    user = await session.get(User, user_id)
    if user is None:
        raise UserNotFoundError
    for field, value in changes.model_dump().items():
        setattr(user, field, value)
    await end_access(session, user)
    after_commit.add_task(hub.disconnect, user.id)
    return user
