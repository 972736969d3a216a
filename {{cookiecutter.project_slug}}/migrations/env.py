"""Alembic's environment; tests pass a connection of their own."""

import asyncio
from typing import Literal

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, make_url

from app import main  # noqa: F401 - imports every feature and so every table
from app.database import Base
from app.database.base import UtcDateTime
from app.database.engine import create_migration_engine
from app.database.outages import is_outage
from app.errors import DatabaseUnavailableError
from app.settings import SettingsError, get_settings


def render_item(kind: str, item: object, _: object) -> str | Literal[False]:
    """Render `UtcDateTime` as the type that it has in the database."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_item=render_item,
        render_as_batch=True,  # SQLite alters a table by copying it
        transactional_ddl=True,  # also on SQLite, whose engine begins transactions itself
    )
    with context.begin_transaction():
        context.run_migrations()
        if connection.dialect.name == "sqlite":  # pragma: no branch - one database per service
            refuse_broken_references(connection)


def refuse_broken_references(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        raise CommandError(f"The migration would leave broken references: {broken}")


async def migrate_database() -> None:
    engine = create_migration_engine(get_settings().database_url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


if connection := context.config.attributes.get("connection"):
    migrate(connection)
else:
    try:
        asyncio.run(migrate_database())
    except SettingsError as error:
        raise CommandError(str(error)) from error
    except Exception as error:
        reason = error.__cause__ if isinstance(error, DatabaseUnavailableError) else error
        if not is_outage(reason):
            raise
        address = make_url(get_settings().database_url)  # shown without the password
        raise CommandError(f"Database unavailable: {address}: {reason}".rstrip(": ")) from error
