"""The dependencies of routes on the database and on authentication, in one place."""

from app.auth.dependencies import CurrentAdmin, CurrentUser, get_current_user
from app.database.dependencies import CurrentDatabase, DbSession, get_async_db

__all__ = [
    "CurrentAdmin",
    "CurrentDatabase",
    "CurrentUser",
    "DbSession",
    "get_async_db",
    "get_current_user",
]
