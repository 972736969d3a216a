"""The dependencies of routes on the database and on authentication, in one place."""

from app.auth.dependencies import (
    BearerToken,
    CurrentAdmin,
    CurrentUser,
    get_current_admin,
    get_current_user,
)
from app.database.dependencies import CurrentDatabase, DbSession, get_async_db, get_database

__all__ = [
    "BearerToken",
    "CurrentAdmin",
    "CurrentDatabase",
    "CurrentUser",
    "DbSession",
    "get_async_db",
    "get_current_admin",
    "get_current_user",
    "get_database",
]
