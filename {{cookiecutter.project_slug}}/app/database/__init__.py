"""The declarative base, the engines and the sessions of the service."""

from app.database.base import Base
from app.database.sessions import Database

__all__ = ["Base", "Database"]
